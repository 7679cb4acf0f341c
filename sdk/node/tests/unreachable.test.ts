import assert from 'node:assert/strict';
import { once } from 'node:events';
import * as net from 'node:net';
import { test } from 'node:test';
import { Worker as Thread } from 'node:worker_threads';
import { AccessError, BusyError, ProblemError, Ruche, TimedOutError, UnreachableError } from 'ruche';
import { startRuche } from 'ruche/test';
import { Gate } from './waiting.js';

test('nobody listens: an error that says where and what to do', { timeout: 60_000 }, async () => {
	const url = 'http://127.0.0.1:1'; // nobody is ever given that port
	const ruche = new Ruche({ url });
	const error = await ruche.queue('x').enqueue(1).catch((cause: unknown) => cause);
	assert.ok(error instanceof UnreachableError);
	assert.deepEqual([error.code, error.address, error.mayHaveArrived], ['unreachable', url, false]);
	assert.match(error.message, /^cannot reach Ruche at http:\/\/127\.0\.0\.1:\d+: connection refused \(ECONNREFUSED\)\. .*RUCHE_URL/);
	await assert.rejects(ruche.stats(), UnreachableError);
	await ruche.close();
	await assert.rejects(ruche.stats(), (closed: UnreachableError) => /closed/.test(closed.message));
});

test('no such socket', { timeout: 60_000 }, async () => {
	const ruche = new Ruche({ url: 'unix:/nowhere/ruche.sock' });
	await assert.rejects(ruche.stats(), (error: UnreachableError) => error instanceof UnreachableError && /unix:\/nowhere\/ruche\.sock: there is no such socket/.test(error.message));
	await ruche.close();
});

test('nobody accepts: the connection is given up', { timeout: 60_000 }, async (t) => {
	// A listener whose thread sleeps: the kernel takes as many connections as fit into its backlog, then answers no more.
	const thread = new Thread(`
		const { parentPort } = require('node:worker_threads');
		const server = require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
			parentPort.postMessage(server.address().port);
			Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
		});`, { eval: true });
	t.after(() => thread.terminate());
	const [port] = await once(thread, 'message') as [number];
	const fillers = Array.from({ length: 8 }, () => net.connect(port, '127.0.0.1').on('error', () => undefined));
	await Promise.all(fillers.slice(0, 2).map((socket) => once(socket, 'connect')));
	const ruche = new Ruche({ url: `http://127.0.0.1:${port}` });
	await assert.rejects(ruche.queue('x').enqueue(1), (error: UnreachableError) => error instanceof UnreachableError && /no connection within/.test(error.message));
	await ruche.close();
	for (const socket of fillers)
		socket.destroy();
});

test('connected, but no answer: a time-out; something that is not Ruche; cut off again and again', { timeout: 60_000 }, async () => {
	let answer: string | null | undefined;
	const server = net.createServer((socket) => socket.on('error', () => undefined).on('data', () => {
		if (answer === undefined)
			socket.destroy();
		else if (answer !== null)
			socket.end(answer);
	})).listen(0, '127.0.0.1').unref();
	await once(server, 'listening');
	const url = `http://127.0.0.1:${(server.address() as net.AddressInfo).port}`;
	const hasty = new Ruche({ url, timeoutMs: 100, patienceMs: 200 }), ruche = new Ruche({ url, patienceMs: 200 });
	answer = null;
	await assert.rejects(hasty.stats(), (error: TimedOutError) => error instanceof TimedOutError && /no answer within 100 ms/.test(error.message));
	await hasty.close();
	answer = 'HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nhello';
	await assert.rejects(ruche.stats(), (error: ProblemError) => error.code === 'bad_answer' && error.status === 404 && /something else/.test(error.message));
	const problem = JSON.stringify({ type: 'x', title: 'busy', status: 503, code: 'backlog_full', detail: 'much to do' });
	answer = `HTTP/1.1 503 Busy\r\nContent-Length: ${problem.length}\r\nRetry-After: 30\r\n\r\n${problem}`;
	await assert.rejects(ruche.queue('x').enqueue(1), (error: BusyError) => error instanceof BusyError && error.retryAfterMs === 30_000);
	answer = 'no HTTP at all\r\n\r\n';
	await assert.rejects(ruche.stats(), UnreachableError);
	answer = undefined;
	await assert.rejects(ruche.queue('x').enqueue(1), (error: UnreachableError) => error.mayHaveArrived && /the connection was cut/.test(error.message));
	await ruche.close();
	server.close();
});

test('a daemon that comes back within the patience is not noticed', { timeout: 60_000 }, async () => {
	const server = await startRuche({ client: { patienceMs: 30_000 } });
	const queue = server.ruche.queue<number>('back');
	await queue.enqueue(1);
	await server.kill();
	const pending = Promise.all([queue.enqueue(2), queue.enqueueMany([{ payload: 3 }, { payload: 4 }]), queue.count()]);
	await server.restart();
	await pending;
	assert.equal(await queue.count(), 4);
	await server.stop();
});

test('addresses and tokens: Unix sockets, the environment, the address itself', { timeout: 60_000 }, async () => {
	const server = await startRuche({ unix: true });
	assert.match(server.url, /^unix:\//);
	const queue = server.ruche.queue<number, number>('unix');
	const worker = server.ruche.worker(queue, ({ payload }) => payload + 1);
	assert.equal(await (await queue.enqueue(1)).result(), 2);
	await worker.close();
	const before = { ...process.env };
	Object.assign(process.env, { RUCHE_URL: server.url, RUCHE_NAMESPACE: 'from-env' });
	const ruche = new Ruche();
	process.env = before;
	assert.equal(ruche.url, server.url);
	assert.equal((await (await ruche.queue('env').enqueue(1)).get()).namespace, 'from-env');
	await ruche.close();
	await server.stop();
	for (const url of ['127.0.0.1:8420', 'unix:relative', 'ftp://x', 'http://x/?a=b', ''])
		assert.throws(() => new Ruche({ url }), TypeError, url);
});

test('tokens: from the options, the address, the environment or a file; without one the error says so', { timeout: 60_000 }, async () => {
	const heard: (string | undefined)[] = [];
	const http = await import('node:http');
	const server = http.createServer((request, response) => {
		heard.push(request.headers.authorization);
		response.writeHead(401, { 'content-type': 'application/problem+json' }).end('{"type":"urn:ruche:problem:unauthorized","title":"A valid token is needed.","status":401,"code":"unauthorized"}');
	}).listen(0, '127.0.0.1').unref();
	await once(server, 'listening');
	const { port } = server.address() as net.AddressInfo;
	const { writeFileSync, rmSync } = await import('node:fs');
	const file = `${process.env['TMPDIR'] ?? '/tmp'}/ruche-token-${process.pid}`;
	writeFileSync(file, 'from-file\n');
	const before = { ...process.env };
	for (const [options, environment] of [
		[{ token: 'from-options' }, {}], [{ url: `http://from-url@127.0.0.1:${port}/` }, {}], [{}, { RUCHE_TOKEN: 'from-env' }], [{}, { RUCHE_TOKEN_FILE: file }], [{}, {}],
	]) {
		process.env = { ...before, ...environment };
		const ruche = new Ruche({ url: `http://127.0.0.1:${port}`, ...options });
		process.env = before;
		assert.ok(!ruche.url.includes('from-url'));
		await assert.rejects(ruche.queue('x').enqueue(1), (error: AccessError) => error instanceof AccessError && error.code === 'unauthorized');
		await ruche.close();
	}
	rmSync(file);
	assert.deepEqual(heard, ['Bearer from-options', 'Bearer from-url', 'Bearer from-env', 'Bearer from-file', undefined]);
	server.close();
});

test('a daemon that answers claims at once with nothing, as one that shuts down does, or with nonsense, is not asked in a rage', { timeout: 60_000 }, async (t) => {
	const http = await import('node:http');
	for (const answer of ['{"token":"x","jobs":[],"reason":"empty","next_due_ms":null}', '{}', 'null', '[]', 'no JSON']) {
		let asked = 0;
		const first = new Gate();
		const server = http.createServer((request, response) => {
			asked++;
			first.open();
			request.resume();
			response.writeHead(200, { 'content-type': 'application/json' }).end(answer);
		}).listen(0, '127.0.0.1').unref();
		await once(server, 'listening');
		const ruche = new Ruche({ url: `http://127.0.0.1:${(server.address() as net.AddressInfo).port}`, patienceMs: 1 });
		t.after(() => ruche.close({ deadlineMs: 0 }));
		ruche.worker('x', () => 1).on('error', () => undefined);
		await first.passed;
		await new Promise((resolve) => setTimeout(resolve, 300));
		assert.ok(asked < 50, `${answer}: ${asked} times`);
		server.close();
	}
});
