// A TCP proxy that stands between a client and the daemon: counts and keeps requests, cuts connections or answers by itself when told to.
import { once } from 'node:events';
import * as net from 'node:net';
import type { TestContext } from 'node:test';

export interface Seen {
	readonly line: string;
	readonly head: string;
	readonly body: string;
}

export class Proxy {
	readonly requests: Seen[] = [];
	/** Cuts the client off instead of handing on the answer to the next so many requests that match. */
	cuts = 0;
	cutOn: (seen: Seen) => boolean = () => true;
	/** Answers instead of the daemon, when it says something. */
	answer: (seen: Seen) => { status: number; body: string } | undefined = () => undefined;
	/** What ends before it does: clients, for one. */
	readonly ends: (() => Promise<unknown>)[] = [];
	readonly #server: net.Server;
	readonly #sockets = new Set<net.Socket>();

	private constructor(server: net.Server) {
		this.#server = server;
	}

	/** A proxy before the daemon; it ends with the test. */
	static async before(url: string, test: TestContext): Promise<Proxy> {
		const { hostname, port } = new URL(url);
		const server = net.createServer();
		const proxy = new Proxy(server);
		server.on('connection', (client) => proxy.#join(client, net.connect(Number(port), hostname)));
		server.listen(0, '127.0.0.1').unref();
		await once(server, 'listening');
		test.after(() => proxy.stop());
		return proxy;
	}

	get url(): string {
		return `http://127.0.0.1:${(this.#server.address() as net.AddressInfo).port}`;
	}

	of(path: string): Seen[] {
		return this.requests.filter(({ line }) => line.split(' ')[1]!.split('?')[0] === path);
	}

	async stop(): Promise<void> {
		await Promise.all(this.ends.map((end) => end()));
		this.cutAll();
		this.#server.close();
		await once(this.#server, 'close');
	}

	cutAll(): void {
		for (const socket of this.#sockets)
			socket.destroy();
	}

	#join(client: net.Socket, daemon: net.Socket): void {
		let text = '', cutting = false;
		this.#sockets.add(client).add(daemon);
		client.on('close', () => daemon.destroy()).on('error', () => undefined);
		daemon.on('close', () => client.destroy()).on('error', () => undefined);
		client.on('data', (chunk) => {
			text += chunk.toString('latin1');
			for (let seen = this.#take(text); seen; seen = this.#take(text)) {
				text = text.slice(seen.head.length + seen.body.length);
				this.requests.push(seen);
				const own = this.answer(seen);
				if (own) {
					client.write(`HTTP/1.1 ${own.status} X\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(own.body)}\r\n\r\n${own.body}`);
					return;
				}
				if (this.cuts > 0 && this.cutOn(seen)) {
					this.cuts--;
					cutting = true;
				}
			}
			daemon.write(chunk);
		});
		daemon.on('data', (chunk) => cutting ? client.destroy() : client.write(chunk));
	}

	#take(text: string): Seen | undefined {
		const end = text.indexOf('\r\n\r\n');
		if (end < 0)
			return undefined;
		const head = text.slice(0, end + 4);
		const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
		if (text.length < head.length + length)
			return undefined;
		return { line: head.slice(0, head.indexOf('\r\n')), head, body: text.slice(head.length, head.length + length) };
	}
}
