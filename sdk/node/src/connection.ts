// What queues, jobs and workers of one client share: where the daemon is, who we are, how patient we are.
import { hostname } from 'node:os';
import { DEFAULT_URL, environmentToken, parseAddress, type Address } from './address.js';
import { Batcher } from './batcher.js';
import { UnreachableError } from './errors.js';
import { refusal, sendPatiently, type Patience } from './patience.js';
import { Broken, type Request } from './sender.js';
import { Streams, type Stream } from './http-stream.js';
import { Transport } from './transport.js';
import type { Trace } from './trace.js';
import { Wire } from './wire.js';
import { fromWire } from './wording.js';

/** How to reach the daemon. All of it may be left out. */
export interface RucheOptions {
	/** `http://host:port`, `https://host`, `http://TOKEN@host:port` or `unix:/path`. Default: RUCHE_URL, or http://127.0.0.1:8420. */
	url?: string;
	/** Default: RUCHE_TOKEN, or what the file RUCHE_TOKEN_FILE holds. */
	token?: string;
	/** Of the queues that name none. Default: RUCHE_NAMESPACE, or `default`. */
	namespace?: string;
	/** How long a broken connection or a busy daemon is tried again before an error, in milliseconds (1,800). Workers go on for ever. */
	patienceMs?: number;
	/** Longest wait for an answer, in milliseconds (30,000). */
	timeoutMs?: number;
	/** Longest span between heartbeats of a worker, in milliseconds (2,000). Cancels are learnt so fast. */
	heartbeatMs?: number;
	/** Says the trace context that new jobs carry, instead of what `currentTrace()` finds. */
	trace?: () => Trace | undefined;
}

export const VERSION = '0.1.0';

/** @internal */
export class Connection {
	readonly address: Address;
	readonly namespace: string;
	readonly timeoutMs: number;
	readonly patience: Patience;
	readonly trace: (() => Trace | undefined) | undefined;
	/** Operations of one tick leave together. */
	readonly batcher: Batcher;
	readonly transport: Transport;
	readonly #streams: Streams;
	readonly #headers: Record<string, string>;
	readonly #heartbeatMs: number;
	#wire: Wire | undefined;
	#wireUsers = 0;
	#closed = false;

	constructor(options: RucheOptions) {
		this.address = parseAddress(options.url ?? process.env['RUCHE_URL'] ?? DEFAULT_URL);
		const token = options.token ?? this.address.token ?? environmentToken();
		this.namespace = options.namespace ?? process.env['RUCHE_NAMESPACE'] ?? 'default';
		this.timeoutMs = options.timeoutMs ?? 30_000;
		this.patience = { ms: options.patienceMs ?? 1_800, pauseMs: 400 };
		this.trace = options.trace;
		this.#heartbeatMs = options.heartbeatMs ?? 2_000;
		this.#headers = { 'user-agent': `ruche-node/${VERSION}`, ...(token ? { authorization: `Bearer ${token}` } : {}) };
		this.transport = new Transport(this.address, this.#headers);
		this.#streams = new Streams(this.address, this.#headers);
		this.batcher = new Batcher({
			sender: this.transport, address: this.address.text, timeoutMs: this.timeoutMs, patience: this.patience, flights: 4,
		});
	}

	/** Sends `body`, or `json`, which is a body's text, and reads the JSON of the answer. */
	async call<T>(method: Request['method'], path: string, options: Partial<Pick<Request, 'idempotencyKey' | 'signal' | 'waits' | 'timeoutMs'>>
		& { body?: unknown; json?: string } = {}): Promise<T> {
		this.check();
		const { body, json = body === undefined ? undefined : JSON.stringify(body), ...rest } = options;
		const request = { method, path, timeoutMs: this.timeoutMs, ...rest, ...(json === undefined ? {} : { body: json }) };
		const answer = await sendPatiently(this.transport, request, this.address.text, this.patience);
		return (answer.text ? JSON.parse(answer.text) : undefined) as T;
	}

	/** One operation, together with the others of this tick. */
	async operate<T>(op: object): Promise<T> {
		return await this.operateText(JSON.stringify(op));
	}

	/** The same, of its JSON. */
	async operateText<T>(json: string): Promise<T> {
		this.check();
		return await this.batcher.add(json) as T;
	}

	/** Opens a stream once. Throws UnreachableError, or a ProblemError for any status from 400 on. */
	async stream(path: string, headersTimeoutMs: number, signal: AbortSignal): Promise<Stream['body']> {
		this.check();
		let stream: Stream;
		try {
			stream = await this.#streams.open(path, headersTimeoutMs, signal);
		} catch (error) {
			throw error instanceof Broken ? new UnreachableError(this.address.text, error.what, false, error) : error;
		}
		if (stream.status < 400)
			return stream.body;
		let text = '';
		for await (const chunk of stream.body.setEncoding('utf8'))
			text += chunk as string;
		throw refusal({ status: stream.status, text });
	}

	/** The pages of a list, one row after another. */
	async* pages<T>(path: string, query: Record<string, unknown>, rows: string): AsyncGenerator<T, void, void> {
		for (let cursor: string | null = null; ;) {
			const page: Record<string, unknown> = await this.call('GET', `${path}${queryText({ ...query, cursor })}`);
			for (const row of page[rows] as unknown[])
				yield fromWire<T>(row);
			cursor = page['next_cursor'] as string | null;
			if (cursor === null)
				return;
		}
	}

	/** The thread that carries the workers' requests; each taker gives it back. */
	takeWire(): Wire {
		this.check();
		this.#wireUsers++;
		return this.#wire ??= new Wire(this.address, this.#headers, this.#heartbeatMs);
	}

	async giveWire(): Promise<void> {
		if (--this.#wireUsers > 0)
			return;
		const wire = this.#wire;
		this.#wire = undefined;
		await wire?.close();
	}

	check(): void {
		if (this.#closed)
			throw new UnreachableError(this.address.text, 'this client was closed', false);
	}

	async close(): Promise<void> {
		await this.batcher.idle();
		this.#closed = true;
		this.transport.close();
		this.#streams.close();
	}
}

/** `?a=1&b=x`; empty when there is nothing to say. Lists are joined by commas, Dates are instants. @internal */
export function queryText(query: Record<string, unknown>): string {
	const said = new URLSearchParams();
	for (const [name, value] of Object.entries(query))
		if (value !== undefined && value !== null)
			said.set(name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), value instanceof Date ? value.toISOString() : String(value));
	const text = said.toString();
	return text && `?${text}`;
}

let workers = 0;

/** A name that no other worker has: people read it, and the worker finds its own leases by it. @internal */
export function workerName(): string {
	return `${hostname()}-${process.pid}-${++workers}-${Math.random().toString(36).slice(2, 8)}`;
}
