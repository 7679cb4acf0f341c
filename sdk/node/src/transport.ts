// HTTP/1.1 to the daemon, over TCP or a Unix socket, on connections that stay open.
import * as http from 'node:http';
import * as https from 'node:https';
import type { Address } from './address.js';
import { Broken, words, type Answer, type Request, type Sender } from './sender.js';

const CONNECT_MS = 1_800;
const SOCKETS = 32; // of requests that are answered at once; those that wait have their own

/** A stream that the daemon keeps open (server-sent events). @internal */
export interface Stream {
	readonly status: number;
	readonly body: http.IncomingMessage;
}

/** The connections of one client. @internal */
export class Transport implements Sender {
	readonly #address: Address;
	readonly #headers: Record<string, string>;
	readonly #module: typeof http | typeof https;
	readonly #agent: http.Agent;
	readonly #waiting: http.Agent;

	constructor(address: Address, headers: Record<string, string>) {
		this.#address = address;
		this.#headers = headers;
		this.#module = address.secure ? https : http;
		this.#agent = new this.#module.Agent({ keepAlive: true, maxSockets: SOCKETS });
		this.#waiting = new this.#module.Agent({ keepAlive: true });
	}

	send(request: Request): Promise<Answer> {
		return new Promise((resolve, reject) => {
			this.#open(request, reject, (incoming) => {
				const chunks: Buffer[] = [];
				incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
				incoming.on('end', () => resolve({
					status: incoming.statusCode ?? 0,
					retryAfterMs: retryAfter(incoming.headers['retry-after']),
					text: chunks.length === 1 ? chunks[0]!.toString('utf8') : Buffer.concat(chunks).toString('utf8'),
				}));
				incoming.on('error', (error) => reject(new Broken('lost', words(error), error)));
			}).end(request.body);
		});
	}

	/** Opens a stream: resolves with its head; the caller reads and destroys the body. Rejects as `send`. */
	stream(request: Request): Promise<Stream> {
		return new Promise((resolve, reject) => {
			this.#open(request, reject, (body, unbound) => {
				unbound();
				resolve({ status: body.statusCode ?? 0, body });
			}).end();
		});
	}

	/** Closes idle connections and cuts those in use. */
	close(): void {
		this.#agent.destroy();
		this.#waiting.destroy();
	}

	#open(request: Request, reject: (error: Error) => void, answered: (incoming: http.IncomingMessage, unbound: () => void) => void): http.ClientRequest {
		const { hostname, port, socketPath, prefix } = this.#address;
		const headers: Record<string, string | number> = { ...this.#headers };
		if (request.body !== undefined) {
			headers['content-type'] = 'application/json';
			headers['content-length'] = Buffer.byteLength(request.body);
		}
		if (request.idempotencyKey)
			headers['idempotency-key'] = request.idempotencyKey;
		const outgoing = this.#module.request({
			method: request.method, path: prefix + request.path, headers,
			agent: request.waits ? this.#waiting : this.#agent,
			...(socketPath ? { socketPath } : { hostname, port }),
		});
		const unbound = watch(outgoing, request, reject);
		outgoing.on('response', (incoming) => answered(incoming, unbound));
		return outgoing;
	}
}

/** Bounds a request's connecting and answering, and rejects it in our own words. Answers how to lift the bound on answering. */
function watch(outgoing: http.ClientRequest, request: Request, reject: (error: Error) => void): () => void {
	const { signal } = request;
	let connected = false, answer: http.IncomingMessage | undefined;
	const fail = (how: Broken['how'], what: string): void => {
		reject(new Broken(how, what));
		outgoing.destroy();
	};
	const late = setTimeout(() => fail('late', `no answer within ${request.timeoutMs} ms`), request.timeoutMs);
	let connecting: NodeJS.Timeout | undefined;
	const abort = (): void => {
		reject(signal!.reason as Error);
		outgoing.destroy();
	};
	outgoing.on('socket', (socket) => {
		if (!socket.connecting) {
			connected = true;
			return;
		}
		const connectMs = request.connectMs ?? CONNECT_MS;
		connecting = setTimeout(() => fail('refused', `no connection within ${Math.round(connectMs)} ms`), connectMs);
		socket.once('connect', () => {
			connected = true;
			clearTimeout(connecting);
		});
	});
	outgoing.on('error', (error: NodeJS.ErrnoException) => reject(new Broken(connected ? 'lost' : 'refused', words(error), error)));
	outgoing.on('response', (incoming) => {
		answer = incoming;
	});
	outgoing.on('close', () => {
		clearTimeout(late);
		clearTimeout(connecting);
		signal?.removeEventListener('abort', abort);
		if (!answer?.complete) // what is complete may still be read
			reject(new Broken('lost', 'the connection was cut'));
	});
	if (signal?.aborted)
		abort();
	else
		signal?.addEventListener('abort', abort, { once: true });
	return () => clearTimeout(late);
}

/** `Retry-After` in milliseconds; Ruche says seconds. */
function retryAfter(header: string | undefined): number | undefined {
	const seconds = Number(header);
	return header && Number.isFinite(seconds) ? seconds * 1000 : undefined;
}
