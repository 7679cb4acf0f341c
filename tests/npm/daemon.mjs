// The daemon on a store of its own, with a file of secrets that can be changed, and a third party that keeps what it was sent.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createServer as createListener } from 'node:net';
import { join } from 'node:path';

const BINARY = process.env.RUCHE_BIN ?? '../../build/ruche';
const DEADLINE_MS = 60_000; // that only a defect reaches
const QUICK = { kind: 'fixed', delay_ms: 5, max_attempts: 5, jitter: 'none' };

async function freePort() {
	const listener = createListener().listen(0, '127.0.0.1');
	await once(listener, 'listening');
	const { port } = listener.address();
	listener.close();
	await once(listener, 'close');
	return port;
}

/** Asks until the answer is there; the pause only keeps the machine free. */
export async function until(what, question) {
	const end = Date.now() + DEADLINE_MS;
	for (;;) {
		const answer = await question();
		if (answer)
			return answer;
		if (Date.now() > end)
			throw new Error(`it never came that ${what}`);
		await new Promise((go) => setTimeout(go, 5));
	}
}

/** A third party: `received` has each request as it came, as { method, headers, body }. Each is answered the next of the statuses, the last of them for ever. */
export class Receiver {
	received = [];

	constructor(...statuses) {
		this.server = createServer((request, response) => {
			const pieces = [];
			request.on('data', (piece) => pieces.push(piece));
			request.on('end', () => {
				this.received.push({ method: request.method, headers: request.headers, body: Buffer.concat(pieces) });
				response.writeHead(statuses[Math.min(this.received.length, statuses.length) - 1] ?? 200).end('{"id":"their-own"}');
			});
		});
	}

	async start() {
		this.server.listen(0, '127.0.0.1');
		await once(this.server, 'listening');
		this.url = `http://127.0.0.1:${this.server.address().port}/hook`;
		return this;
	}

	async stop() {
		this.server.close();
		this.server.closeAllConnections();
		await once(this.server, 'close');
	}
}

export class Daemon {
	log = '';

	static async start(secrets = {}) {
		const daemon = new Daemon();
		daemon.directory = await mkdtemp('/var/tmp/ruche-npm-');
		daemon.secretsPath = join(daemon.directory, 'secrets.json');
		await daemon.writeSecrets(secrets);
		const port = await freePort();
		daemon.url = `http://127.0.0.1:${port}`;
		daemon.token = 'rch_' + randomBytes(32).toString('base64url');
		daemon.process = spawn(BINARY, ['serve', '--ephemeral', '--store-path', join(daemon.directory, 'ruche.db'), '--listen', `127.0.0.1:${port}`,
			'--deliver-allow', '127.0.0.0/8', '--secrets-path', daemon.secretsPath],
		{ stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, RUCHE_ADMIN_TOKEN: daemon.token, NO_COLOR: '1' } });
		for (const stream of [daemon.process.stdout, daemon.process.stderr])
			stream.on('data', (piece) => { daemon.log += piece; });
		daemon.ended = once(daemon.process, 'exit');
		await until('the daemon was ready', async () => {
			if (daemon.process.exitCode !== null)
				throw new Error(`the daemon ended with ${daemon.process.exitCode}:\n${daemon.log}`);
			return fetch(`${daemon.url}/readyz`).then(({ ok }) => ok, () => false);
		});
		return daemon;
	}

	async stop() {
		this.process.kill('SIGTERM');
		const [code] = await this.ended;
		await rm(this.directory, { recursive: true });
		if (code !== 0)
			throw new Error(`the daemon ended with ${code}:\n${this.log}`);
	}

	/** The file is replaced whole, as a deployment does it. */
	async writeSecrets(secrets) {
		await writeFile(this.secretsPath + '.new', JSON.stringify(secrets), { mode: 0o600 });
		await rename(this.secretsPath + '.new', this.secretsPath);
	}

	async changeSecrets(secrets) {
		const read = () => this.log.split('secrets.read').length;
		const before = read();
		await this.writeSecrets(secrets);
		await until('the changed secrets were read', () => read() > before);
	}

	async call(method, path, body) {
		const answer = await fetch(this.url + path, { method, headers: { authorization: `Bearer ${this.token}`, 'content-type': 'application/json' },
			body: body === undefined ? undefined : JSON.stringify(body) });
		const text = await answer.text();
		if (!answer.ok)
			throw new Error(`${method} ${path}: ${answer.status} ${text}`);
		return text ? JSON.parse(text) : null;
	}

	endpoint(name, settings) {
		return this.call('PUT', `/v1/endpoints/${name}`, { types: [`${name}.told`], retry: QUICK, ...settings });
	}

	/** Sends a message to one endpoint, and gives what the receiver got. */
	async tell(name, receiver, message = {}) {
		const count = receiver.received.length;
		const { id } = await this.call('POST', '/v1/messages', { type: `${name}.told`, payload: { title: 'Couvrir le lavoir', n: 1 }, ...message });
		await until('the message arrived', () => receiver.received.length > count);
		return { id, ...receiver.received[count] };
	}
}
