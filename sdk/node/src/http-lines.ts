// HTTP/1.1 as it is spoken with the daemon: one request after another on connections that stay open. Written on sockets, since Node's own client takes
// longer than the daemon for a small request. The function below is also handed to the worker thread, as text (see wire-thread.ts): it must not name
// anything outside itself.
import type * as Net from 'node:net';
import type * as Tls from 'node:tls';

/** Where and as whom. @internal */
export interface LineTarget {
	readonly secure: boolean;
	readonly hostname?: string | undefined;
	readonly port?: number | undefined;
	readonly socketPath?: string | undefined;
	/** Before every path. */
	readonly prefix: string;
	readonly headers: Readonly<Record<string, string>>;
}

/** @internal */
export interface LineRequest {
	readonly method: string;
	readonly path: string;
	/** JSON. */
	readonly body?: string | undefined;
	readonly idempotencyKey?: string | undefined;
	/** Longest wait for the whole answer. */
	readonly timeoutMs: number;
	/** Longest wait for a connection. */
	readonly connectMs?: number | undefined;
	/** The daemon holds it until something happens: it does not count among those that are answered at once. */
	readonly waits?: boolean | undefined;
}

/** A whole answer, or how none came. `refused`: nothing was sent. `lost`, `late`: it may have been done. @internal */
export type LineOutcome =
	| { readonly status: number; readonly retryAfterMs: number | undefined; readonly text: string }
	| { readonly how: 'refused' | 'lost' | 'late'; readonly code?: string | undefined; readonly message: string };

/** @internal */
export interface Lines {
	/**
	 * Sends it once and tells the outcome once. Answers how to give it up: then nothing is told, and the connection is cut if it was sent. `gently`: the
	 * daemon hears that nobody waits any more, and what it answers nevertheless, or had answered already, is told.
	 */
	send(request: LineRequest, done: (outcome: LineOutcome) => void): (gently?: boolean) => void;
	/** Closes idle connections and cuts those in use. */
	close(): void;
}

/** @internal */
export interface LineTimers {
	readonly set: typeof setTimeout;
	readonly clear: typeof clearTimeout;
	readonly clock: () => number;
}

/** The connections to one daemon. @internal */
export function httpLines(net: typeof Net, tls: typeof Tls, timers: LineTimers, target: LineTarget): Lines {
	type Call = { request: LineRequest; done: ((outcome: LineOutcome) => void) | undefined; late?: ReturnType<typeof setTimeout> };
	const LINES = 32; // of requests that are answered at once
	const IDLE_MS = 30_000; // the daemon closes after 75 s
	const CONNECT_MS = 1_800;
	const PART_MS = 1_000; // for the last words of a daemon that was told that nobody waits
	const HEAD_MAX = 65_536;
	const READ_BYTES = 65_536;
	const NO_PATH = /[^\x21-\x7e]/, NO_VALUE = /[^\t\x20-\x7e\x80-\xff]/; // with them a text could end its line and begin another
	const host = target.hostname?.includes(':') ? `[${target.hostname}]` : target.hostname;
	const heads = Object.entries({ host: target.socketPath ? 'localhost' : `${host}:${target.port}`, ...target.headers }).map(([name, value]) => {
		if (NO_VALUE.test(value))
			throw new TypeError(`the header ${name} cannot hold such characters`);
		return `${name}: ${value}\r\n`;
	}).join('');
	const all = new Set<Line>();
	const idle: Line[] = [];
	const queued: Call[] = [];
	let busy = 0, closed = false;

	/** Reads one answer after another out of bytes that come in pieces. */
	class Reader {
		private rest: Buffer | undefined; // of a head or a chunk's length that is not whole
		private part: 'head' | 'length' | 'close' | 'size' | 'chunk' | 'trailer' = 'head';
		private left = 0;
		private pieces: Buffer[] = [];
		private status = 0;
		private retryAfterMs: number | undefined;
		/** The connection may be used again. */
		keeps = true;

		/** Takes bytes; answers the outcome once the answer is whole. Throws when it is not HTTP. `steady`: the bytes stay as they are. */
		take(bytes: Buffer, steady: boolean): LineOutcome | undefined {
			let at = 0;
			if (this.rest) {
				bytes = Buffer.concat([this.rest, bytes]);
				steady = true;
				this.rest = undefined;
			}
			for (;;) {
				if (this.part === 'length' || this.part === 'chunk' || this.part === 'close') {
					const end = this.part === 'close' ? bytes.length : Math.min(bytes.length, at + this.left);
					if (this.part === 'length' && end - at === this.left && !this.pieces.length)
						return this.whole(bytes.toString('utf8', at, end), end === bytes.length);
					if (end > at)
						this.pieces.push(steady ? bytes.subarray(at, end) : Buffer.from(bytes.subarray(at, end)));
					this.left -= end - at;
					at = end;
					if (this.part === 'close' || this.left > 0)
						return undefined;
					if (this.part === 'length')
						return this.whole(this.body(), at === bytes.length);
					this.part = 'size';
				} else if (this.part === 'head') {
					const end = bytes.indexOf('\r\n\r\n', at);
					if (end < 0)
						return this.keep(bytes, at);
					const empty = this.readHead(bytes.toString('latin1', at, end));
					at = end + 4;
					if (empty)
						return this.whole('', at === bytes.length);
				} else {
					const end = bytes.indexOf('\r\n', at);
					if (end < 0)
						return this.keep(bytes, at);
					const line = bytes.toString('latin1', at, end);
					at = end + 2;
					if (this.part === 'size')
						this.readSize(line);
					else if (line === '')
						return this.whole(this.body(), at === bytes.length);
				}
			}
		}

		/** The other side has ended: an answer without a length is whole now. */
		ended(): LineOutcome | undefined {
			return this.part === 'close' ? this.whole(this.body(), false) : undefined;
		}

		private keep(bytes: Buffer, at: number): undefined {
			if (bytes.length - at > HEAD_MAX)
				throw new Error('the head of the answer is too long');
			this.rest = Buffer.from(bytes.subarray(at));
		}

		private body(): string {
			return this.pieces.length === 1 ? this.pieces[0]!.toString('utf8') : Buffer.concat(this.pieces).toString('utf8');
		}

		private whole(text: string, exact: boolean): LineOutcome {
			if (!exact)
				this.keeps = false; // there is more than was asked for
			this.part = 'head';
			this.pieces = [];
			return { status: this.status, retryAfterMs: this.retryAfterMs, text };
		}

		/** Answers whether nothing follows it. */
		private readHead(head: string): boolean {
			const status = /^HTTP\/1\.([01]) (\d{3})(?: |$|\r)/.exec(head);
			if (!status || status[2] === '101')
				throw new Error('this is no answer in HTTP/1.1');
			this.status = Number(status[2]);
			if (this.status < 200)
				return false; // a word in between
			const header = (name: RegExp): string | undefined => name.exec(head)?.[1];
			const seconds = header(/\r\nretry-after:[ \t]*(\d+)[ \t]*(?:\r|$)/i);
			const length = header(/\r\ncontent-length:[ \t]*(\d+)[ \t]*(?:\r|$)/i);
			this.retryAfterMs = seconds === undefined ? undefined : Number(seconds) * 1000;
			this.keeps = status[1] === '1' && !/\r\nconnection:[^\r]*\bclose\b/i.test(head);
			if (this.status === 204 || this.status === 304)
				return true;
			if (/\r\ntransfer-encoding:[^\r]*\bchunked[ \t]*(?:\r|$)/i.test(head)) {
				this.part = 'size';
			} else if (length !== undefined) {
				if (length === '0')
					return true;
				this.part = 'length';
				this.left = Number(length);
			} else {
				this.part = 'close';
				this.keeps = false;
			}
			return false;
		}

		private readSize(line: string): void {
			if (line === '' && this.pieces.length)
				return; // the end of the chunk before
			const size = /^([0-9a-f]{1,8})[ \t]*(?:;|$)/i.exec(line)?.[1];
			if (size === undefined)
				throw new Error('a chunk of the answer has no length');
			this.left = parseInt(size, 16);
			this.part = this.left ? 'chunk' : 'trailer';
		}
	}

	/** One connection, and the call that is on it. */
	class Line {
		private readonly socket: Net.Socket;
		private readonly reader = new Reader();
		private connected = false;
		private parted = false;
		private connecting: ReturnType<typeof setTimeout> | undefined;
		private failure: { code?: string | undefined; message: string } | undefined;
		call: Call | undefined;
		since = 0; // when it went idle

		constructor(connectMs: number) {
			const { secure, hostname, port, socketPath } = target;
			const onread = { buffer: Buffer.allocUnsafeSlow(READ_BYTES), callback: (bytes: number, buffer: Uint8Array) => this.read(buffer as Buffer, bytes) };
			const place = socketPath ? { path: socketPath } : { host: hostname!, port: port! };
			if (secure) {
				this.socket = tls.connect({ ...place, ...(net.isIP(hostname ?? '') ? {} : { servername: hostname! }), ALPNProtocols: ['http/1.1'] });
				this.socket.on('data', (chunk: Buffer) => this.take(chunk, true));
			} else {
				this.socket = net.connect({ ...place, onread });
			}
			this.socket.setNoDelay(true).setKeepAlive(true, 60_000);
			this.socket.once(secure ? 'secureConnect' : 'connect', () => {
				this.connected = true;
				timers.clear(this.connecting);
			});
			this.socket.on('error', (error: NodeJS.ErrnoException) => {
				this.failure ??= error;
			});
			this.socket.on('end', () => this.ended());
			this.socket.on('close', () => this.gone());
			this.connecting = timers.set(() => {
				this.failure = { message: `no connection within ${Math.round(connectMs)} ms` };
				this.socket.destroy();
			}, connectMs);
			all.add(this);
		}

		carry(call: Call): void {
			const { method, path, body, idempotencyKey } = call.request;
			this.call = call;
			this.socket.ref();
			const key = idempotencyKey === undefined ? '' : `idempotency-key: ${idempotencyKey}\r\n`;
			const head = `${method} ${target.prefix}${path} HTTP/1.1\r\n${heads}${key}`;
			if (body === undefined) {
				this.socket.write(`${head}\r\n`);
				return;
			}
			const bytes = Buffer.byteLength(body);
			// Both encodings write the same bytes of plain ASCII, but for UTF-8 Node takes memory for the worst case first.
			const plain = bytes === body.length && Buffer.byteLength(head) === head.length;
			this.socket.write(`${head}content-type: application/json\r\ncontent-length: ${bytes}\r\n\r\n${body}`, plain ? 'latin1' : 'utf8');
		}

		cut(): void {
			this.socket.destroy();
		}

		/** Says goodbye: nothing more is sent. */
		part(): void {
			this.parted = true;
			this.socket.end();
		}

		/** Its call is over, whatever it was: the connection is free for the next, or of no use any more. */
		rest(): void {
			this.call = undefined;
			if (!this.reader.keeps || this.parted || closed || this.socket.destroyed) {
				this.leave();
				this.socket.destroy();
				return;
			}
			this.since = timers.clock();
			this.socket.unref();
			idle.push(this);
		}

		private read(buffer: Buffer, bytes: number): boolean {
			this.take(buffer.subarray(0, bytes), false);
			return true;
		}

		private take(bytes: Buffer, steady: boolean): void {
			if (!this.call) { // nobody asked
				this.socket.destroy();
				return;
			}
			let outcome: LineOutcome | undefined;
			try {
				outcome = this.reader.take(bytes, steady);
			} catch (error) {
				this.failure = { message: (error as Error).message };
				this.socket.destroy();
				return;
			}
			if (outcome)
				finish(this, outcome);
		}

		private ended(): void {
			const outcome = this.call && this.reader.ended();
			if (outcome)
				finish(this, outcome);
			this.socket.destroy();
		}

		private gone(): void {
			timers.clear(this.connecting);
			this.leave();
			const { code, message = 'the connection was cut' } = this.failure ?? {};
			if (this.call)
				finish(this, { how: this.connected ? 'lost' : 'refused', code, message });
		}

		private leave(): void {
			all.delete(this);
			const at = idle.indexOf(this);
			if (at >= 0)
				idle.splice(at, 1);
		}
	}

	function finish(line: Line, outcome: LineOutcome): void {
		const call = line.call!;
		if (!call.request.waits)
			busy--;
		line.rest();
		tell(call, outcome);
		next();
	}

	function tell(call: Call, outcome: LineOutcome): void {
		const { done } = call;
		timers.clear(call.late);
		call.done = undefined;
		done?.(outcome);
	}

	/** A connection that is free, the one used last, or a new one. */
	function line(connectMs: number): Line {
		for (let free = idle.pop(); free; free = idle.pop()) {
			if (timers.clock() - free.since < IDLE_MS)
				return free;
			free.cut();
		}
		return new Line(connectMs);
	}

	function start(call: Call): void {
		if (!call.request.waits)
			busy++;
		line(call.request.connectMs ?? CONNECT_MS).carry(call);
	}

	function next(): void {
		while (queued.length && busy < LINES)
			start(queued.shift()!);
	}

	/** Nobody is told by `call` any more: it is not sent, or its connection is cut. */
	function drop(call: Call): void {
		timers.clear(call.late);
		call.done = undefined;
		const at = queued.indexOf(call);
		if (at >= 0)
			queued.splice(at, 1);
		for (const one of all)
			if (one.call === call)
				one.cut();
	}

	function part(call: Call): void {
		for (const one of all)
			if (one.call === call) {
				timers.clear(call.late);
				call.late = timers.set(() => one.cut(), PART_MS);
				one.part();
				return;
			}
		if (queued.includes(call)) {
			queued.splice(queued.indexOf(call), 1);
			tell(call, { how: 'refused', message: 'nobody waits for it any more' });
		}
	}

	return {
		send(request, done) {
			const call: Call = { request, done };
			if (NO_PATH.test(request.path) || NO_VALUE.test(request.idempotencyKey ?? ''))
				throw new TypeError('a path or an Idempotency-Key cannot hold such characters');
			if (closed) {
				done({ how: 'refused', message: 'the client is closed' });
				return () => undefined;
			}
			call.late = timers.set(() => {
				drop(call);
				done({ how: 'late', message: `no answer within ${request.timeoutMs} ms` });
			}, request.timeoutMs);
			if (request.waits || busy < LINES)
				start(call);
			else
				queued.push(call);
			return (gently) => (gently ? part(call) : drop(call));
		},
		close() {
			closed = true;
			for (const call of queued.splice(0))
				tell(call, { how: 'refused', message: 'the client is closed' });
			for (const one of [...all])
				one.cut();
		},
	};
}
