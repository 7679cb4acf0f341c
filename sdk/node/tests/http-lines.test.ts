// HTTP as the client reads it: answers in any number of pieces, of every framing, from daemons and from what stands between.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import * as net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import * as tls from 'node:tls';

/** What the package keeps to itself, as far as it is tried here. */
interface LineRequest { method: string; path: string; body?: string | undefined; idempotencyKey?: string; timeoutMs: number; waits?: boolean }
type LineOutcome = { status: number; retryAfterMs: number | undefined; text: string } | { how: 'refused' | 'lost' | 'late'; code?: string; message: string };
interface Lines { send(request: LineRequest, done: (outcome: LineOutcome) => void): (gently?: boolean) => void; close(): void }
const { httpLines } = createRequire(import.meta.url)('../dist/cjs/http-lines.js') as { httpLines: (...parts: unknown[]) => Lines };
const timers = { set: setTimeout, clear: clearTimeout, clock: () => performance.now() };

/** A server that says what it is told on each request, and keeps what it heard. */
async function scripted(t: TestContext, says: (socket: net.Socket, request: number) => void): Promise<{ port: number; heard: string[]; connections: () => number }> {
	const heard: string[] = [];
	let connections = 0;
	const server = net.createServer((socket) => {
		connections++;
		socket.on('error', () => undefined).setNoDelay(true);
		socket.on('data', (chunk) => {
			heard.push(chunk.toString());
			says(socket, heard.length);
		});
	}).listen(0, '127.0.0.1');
	await once(server, 'listening');
	t.after(() => server.close());
	return { port: (server.address() as net.AddressInfo).port, heard, connections: () => connections };
}

function linesTo(t: TestContext, port: number, headers: Record<string, string> = {}): Lines {
	const lines = httpLines(net, tls, timers, { secure: false, hostname: '127.0.0.1', port, prefix: '', headers });
	t.after(() => lines.close());
	return lines;
}

function ask(lines: Lines, request: Partial<LineRequest> = {}): Promise<LineOutcome> {
	return new Promise((resolve) => lines.send({ method: 'POST', path: '/v1/batch', body: '{"ü":1}', timeoutMs: 10_000, ...request }, resolve));
}

const BODY = '{"text":"ü € 😀 \\u0000"}';
const answers: Record<string, { text: string; body: string; keeps: boolean }> = {
	'by length': { text: `HTTP/1.1 200 OK\r\ncontent-length: ${Buffer.byteLength(BODY)}\r\nretry-after: 7\r\n\r\n${BODY}`, body: BODY, keeps: true },
	'empty': { text: 'HTTP/1.1 200\r\nContent-Length:0\r\n\r\n', body: '', keeps: true },
	'no content': { text: 'HTTP/1.1 204 No Content\r\n\r\n', body: '', keeps: true },
	'after words in between': { text: `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}`, body: '{}', keeps: true },
	'in chunks': {
		text: `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\ncontent-length: 3\r\n\r\n4;ext=1\r\n{"a"\r\n2\r\n:1\r\n1\r\n}\r\n0\r\nx-trailer: 1\r\n\r\n`, body: '{"a":1}', keeps: true,
	},
	'in chunks, none': { text: 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n', body: '', keeps: true },
	'and closed': { text: `HTTP/1.1 200 OK\r\nConnection: close\r\ncontent-length: 2\r\n\r\n{}`, body: '{}', keeps: false },
	'of an older kind': { text: `HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\n{}`, body: '{}', keeps: false },
};

for (const [name, { text, body, keeps }] of Object.entries(answers))
	test(`an answer ${name}, cut at every place`, async (t) => {
		const bytes = Buffer.from(text);
		let cut = 0;
		const server = await scripted(t, (socket) => {
			socket.write(bytes.subarray(0, cut));
			setImmediate(() => setImmediate(() => socket.write(bytes.subarray(cut))));
		});
		const lines = linesTo(t, server.port);
		for (cut = 0; cut < bytes.length; cut++) {
			const outcome = await ask(lines) as { status: number; text: string; retryAfterMs?: number };
			assert.deepEqual([outcome.text, outcome.status], [body, name === 'no content' ? 204 : 200], `cut at ${cut}`);
			assert.equal(outcome.retryAfterMs, name === 'by length' ? 7_000 : undefined);
		}
		assert.equal(server.connections(), keeps ? 1 : bytes.length);
	});

test('an answer without a length ends with its connection', async (t) => {
	const server = await scripted(t, (socket) => socket.end(`HTTP/1.1 200 OK\r\n\r\n${BODY}`));
	assert.equal((await ask(linesTo(t, server.port)) as { text: string }).text, BODY);
});

test('a body of many megabytes', async (t) => {
	const text = JSON.stringify('€'.repeat(3_000_000));
	const server = await scripted(t, (socket) => socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`));
	const outcome = await ask(linesTo(t, server.port)) as { text: string };
	assert.ok(outcome.text === text);
});

test('what is no answer, is cut short, or comes unasked', async (t) => {
	let says = '';
	const server = await scripted(t, (socket) => socket.end(says));
	const lines = linesTo(t, server.port);
	const broken = async (text: string): Promise<string> => {
		says = text;
		const outcome = await ask(lines);
		assert.ok('how' in outcome && outcome.how === 'lost', text);
		return outcome.message;
	};
	assert.match(await broken('SSH-2.0-OpenSSH\r\n\r\n'), /no answer in HTTP/);
	assert.match(await broken('HTTP/1.1 101 Switching Protocols\r\n\r\n'), /no answer in HTTP/);
	assert.match(await broken('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n'), /chunk/);
	assert.match(await broken(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(100_000)}`), /too long/);
	for (const cut of ['', 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n{}', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab'])
		assert.match(await broken(cut), /the connection was cut/);
});

test('more bytes than were asked for: that connection is not used again', async (t) => {
	const server = await scripted(t, (socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n"evil"'));
	const lines = linesTo(t, server.port);
	assert.equal((await ask(lines) as { text: string }).text, '{}');
	assert.equal((await ask(lines) as { text: string }).text, '{}');
	assert.equal(server.connections(), 2);
});

test('what leaves: one write, with its length in bytes; nothing can end its line', async (t) => {
	const server = await scripted(t, (socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}'));
	const lines = linesTo(t, server.port, { authorization: 'Bearer x' });
	await ask(lines, { idempotencyKey: 'k' });
	await ask(lines, { method: 'GET', path: '/v1?a=%0A', body: undefined });
	assert.deepEqual(server.heard, [
		`POST /v1/batch HTTP/1.1\r\nhost: 127.0.0.1:${server.port}\r\nauthorization: Bearer x\r\nidempotency-key: k\r\ncontent-type: application/json\r\ncontent-length: 8\r\n\r\n{"ü":1}`,
		`GET /v1?a=%0A HTTP/1.1\r\nhost: 127.0.0.1:${server.port}\r\nauthorization: Bearer x\r\n\r\n`,
	]);
	for (const bad of [{ path: '/v1 HTTP/1.1\r\nx: y' }, { path: '/v1 x' }, { idempotencyKey: 'a\r\nb: c' }])
		await assert.rejects(ask(lines, bad), TypeError);
	assert.throws(() => linesTo(t, server.port, { authorization: 'Bearer a\nb' }), TypeError);
});

test('32 connections at once, the rest wait for their turn; those that wait for the daemon have their own', async (t) => {
	const sockets: net.Socket[] = [];
	const server = await scripted(t, (socket) => sockets.push(socket));
	const lines = linesTo(t, server.port);
	const asked = Array.from({ length: 40 }, () => ask(lines));
	const waiting = ask(lines, { waits: true });
	while (sockets.length < 33)
		await new Promise((resolve) => setTimeout(resolve, 5));
	assert.equal(server.connections(), 33);
	for (let i = 0; i < 41; i++) {
		while (sockets.length <= i)
			await new Promise((resolve) => setTimeout(resolve, 5));
		sockets[i]!.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}');
	}
	for (const outcome of await Promise.all([...asked, waiting]))
		assert.ok('text' in outcome);
	assert.equal(server.connections(), 33);
});

test('given up: nobody is told, and its connection is cut; closed: all are told', async (t) => {
	const server = await scripted(t, () => undefined);
	const lines = linesTo(t, server.port);
	let told = false;
	const giveUp = lines.send({ method: 'GET', path: '/', timeoutMs: 10_000 }, () => {
		told = true;
	});
	while (!server.heard.length)
		await new Promise((resolve) => setTimeout(resolve, 5));
	giveUp();
	const open = ask(lines);
	while (server.heard.length < 2)
		await new Promise((resolve) => setTimeout(resolve, 5));
	lines.close();
	assert.deepEqual(await open, { how: 'lost', code: undefined, message: 'the connection was cut' });
	assert.deepEqual(await ask(lines), { how: 'refused', message: 'the client is closed' });
	assert.equal(told, false);
	assert.equal(server.connections(), 2);
});

test('given up gently: an answer that was under way is told, and so is that there is none', async (t) => {
	let says = '';
	const server = net.createServer({ allowHalfOpen: true }, (socket) => socket.on('error', () => undefined).on('data', () => undefined).on('end', () => socket.end(says)));
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	t.after(() => server.close());
	const lines = linesTo(t, (server.address() as net.AddressInfo).port);
	const parted = async (answer: string): Promise<LineOutcome> => {
		says = answer;
		const connected = once(server, 'connection');
		return new Promise((resolve) => {
			const giveUp = lines.send({ method: 'POST', path: '/v1/claims', body: '{}', timeoutMs: 10_000, waits: true }, resolve);
			void connected.then(() => giveUp(true));
		});
	};
	assert.equal((await parted('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}') as { text: string }).text, '{}');
	assert.deepEqual(await parted(''), { how: 'lost', code: undefined, message: 'the connection was cut' });
});

test('an answer that comes too late, and a name without an address', async (t) => {
	const server = await scripted(t, () => undefined);
	assert.deepEqual(await ask(linesTo(t, server.port), { timeoutMs: 20 }), { how: 'late', message: 'no answer within 20 ms' });
	const nowhere = httpLines(net, tls, timers, { secure: false, socketPath: '/nowhere/x.sock', prefix: '', headers: {} });
	const outcome = await ask(nowhere);
	assert.ok('how' in outcome && outcome.how === 'refused' && outcome.code === 'ENOENT');
});

test('over TLS: by the certificate\'s name, and refused when nobody vouches for it', async (t) => {
	const directory = mkdtempSync(join(tmpdir(), 'ruche-tls-'));
	t.after(() => rmSync(directory, { recursive: true }));
	const [keyPath, certPath] = [join(directory, 'key'), join(directory, 'cert')];
	execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1', '-subj', '/CN=localhost',
		'-addext', 'subjectAltName=DNS:localhost', '-keyout', keyPath, '-out', certPath], { stdio: 'pipe' });
	const ca = readFileSync(certPath);
	const server = tls.createServer({ key: readFileSync(keyPath), cert: ca }, (socket) => {
		socket.on('error', () => undefined).on('data', () => socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${Buffer.byteLength(BODY)}\r\n\r\n${BODY}`));
	}).on('tlsClientError', () => undefined).listen(0, 'localhost');
	await once(server, 'listening');
	t.after(() => server.close());
	const target = { secure: true, hostname: 'localhost', port: (server.address() as net.AddressInfo).port, prefix: '', headers: {} };
	const trusting = httpLines(net, { connect: (options: tls.ConnectionOptions) => tls.connect({ ...options, ca }) }, timers, target);
	const doubting = httpLines(net, tls, timers, target);
	for (let i = 0; i < 3; i++)
		assert.equal((await ask(trusting) as { text: string }).text, BODY);
	const refused = await ask(doubting);
	assert.ok('how' in refused && refused.how === 'refused' && refused.code === 'DEPTH_ZERO_SELF_SIGNED_CERT');
	trusting.close();
	doubting.close();
});
