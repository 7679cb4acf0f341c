// HTTP/1.1 to the daemon, over TCP or a Unix socket, on connections that stay open. Backends of one process that go to the same place share them.
import * as http from 'node:http';
import * as https from 'node:https';
import type { Address } from './address.js';
import { clearTimer, setTimer } from './timers.js';

const CONNECT_MS = 1_800;
const SOCKETS = 32; // of requests that are answered at once; those that wait have their own
const IDLE_MS = 30_000;

/** What is asked of the daemon. */
export interface Request {
	readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
	/** From `/v1` on, with its query. */
	readonly path: string;
	/** JSON. */
	readonly body?: string | undefined;
	readonly idempotencyKey?: string | undefined;
	/** Longest wait for the whole answer. */
	readonly timeoutMs: number;
	/** The daemon holds this request until something happens. */
	readonly waits?: boolean;
	readonly signal?: AbortSignal | undefined;
}

/** What came back, whatever its status. */
export interface Answer {
	readonly status: number;
	readonly retryAfterMs: number | undefined;
	readonly text: string;
}

/** No whole answer came. */
export class Broken extends Error {
	constructor(
		/** `refused`: nothing was sent. `lost`: it may have been done. `late`: no answer in time, it may have been done. `left`: the caller went away. */
		readonly how: 'refused' | 'lost' | 'late' | 'left',
		what: string,
	) {
		super(what);
	}
}

export class Transport {
	readonly #address: Address;
	readonly #headers: Record<string, string>;
	readonly #module: typeof http | typeof https;
	readonly #agent: http.Agent;
	readonly #waiting: http.Agent;

	constructor(address: Address, headers: Record<string, string>) {
		this.#address = address;
		this.#headers = headers;
		this.#module = address.secure ? https : http;
		this.#agent = new this.#module.Agent({ keepAlive: true, maxSockets: SOCKETS, timeout: IDLE_MS });
		this.#waiting = new this.#module.Agent({ keepAlive: true });
	}

	/** Sends once. Rejects with Broken. */
	send(request: Request): Promise<Answer> {
		return new Promise((resolve, reject) => {
			const { hostname, port, socketPath, prefix } = this.#address;
			const headers: Record<string, string | number> = { ...this.#headers };
			if (request.body !== undefined) {
				headers['content-type'] = 'application/json';
				headers['content-length'] = Buffer.byteLength(request.body);
			}
			if (request.idempotencyKey)
				headers['idempotency-key'] = request.idempotencyKey;
			const outgoing = this.#module.request({
				method: request.method, path: prefix + request.path, headers, agent: request.waits ? this.#waiting : this.#agent,
				...(socketPath ? { socketPath } : { hostname, port }),
			});
			watch(outgoing, request, reject);
			outgoing.on('response', (incoming) => {
				const chunks: Buffer[] = [];
				incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
				incoming.on('error', (error) => reject(new Broken('lost', words(error))));
				incoming.on('end', () => resolve({
					status: incoming.statusCode ?? 0,
					retryAfterMs: milliseconds(incoming.headers['retry-after']),
					text: chunks.length === 1 ? chunks[0]!.toString('utf8') : Buffer.concat(chunks).toString('utf8'),
				}));
			});
			outgoing.end(request.body);
		});
	}

	/** Closes idle connections and cuts those in use. */
	close(): void {
		this.#agent.destroy();
		this.#waiting.destroy();
	}
}

/** Bounds a request's connecting and answering, and rejects it in our own words. */
function watch(outgoing: http.ClientRequest, request: Request, reject: (error: Broken) => void): void {
	const { signal } = request;
	let connected = false, answer: http.IncomingMessage | undefined, connecting: NodeJS.Timeout | undefined;
	const fail = (how: Broken['how'], what: string): void => {
		reject(new Broken(how, what));
		outgoing.destroy();
	};
	const late = setTimer(() => fail('late', `no answer within ${request.timeoutMs} ms`), request.timeoutMs);
	const left = (): void => fail('left', 'nobody waits for the answer any more');
	outgoing.on('socket', (socket) => {
		connected = !socket.connecting;
		if (connected)
			return;
		connecting = setTimer(() => fail('refused', `no connection within ${CONNECT_MS} ms`), CONNECT_MS);
		socket.once('connect', () => {
			connected = true;
			clearTimer(connecting);
		});
	});
	outgoing.on('error', (error: NodeJS.ErrnoException) => reject(new Broken(connected ? 'lost' : 'refused', words(error))));
	outgoing.on('response', (incoming) => {
		answer = incoming;
	});
	outgoing.on('close', () => {
		clearTimer(late);
		clearTimer(connecting);
		signal?.removeEventListener('abort', left);
		if (!answer?.complete) // what is complete may still be read
			reject(new Broken('lost', 'the connection was cut'));
	});
	if (signal?.aborted)
		left();
	else
		signal?.addEventListener('abort', left, { once: true });
}

/** A network error in words. */
function words(error: { code?: string | undefined; message: string }): string {
	const known: Record<string, string> = {
		ECONNREFUSED: 'connection refused', ECONNRESET: 'the connection was cut', EPIPE: 'the connection was cut', ENOENT: 'there is no such socket',
		ENOTFOUND: 'the name is unknown', EAI_AGAIN: 'the name cannot be looked up', EHOSTUNREACH: 'no route to the host', EACCES: 'permission denied',
		ETIMEDOUT: 'no connection in time',
	};
	const code = error.code ?? '';
	return known[code] ? `${known[code]} (${code})` : error.message || code || 'the connection failed';
}

/** `Retry-After` in milliseconds; Ruche says seconds. */
function milliseconds(header: string | undefined): number | undefined {
	const seconds = Number(header);
	return header && Number.isFinite(seconds) ? seconds * 1000 : undefined;
}
