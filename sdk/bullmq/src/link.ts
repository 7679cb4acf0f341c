// What the backends of one queue object share: a way to the daemon, its trouble and its end.
import { EventEmitter } from 'node:events';
import { problemError, TooOldError, UnreachableError, type Problem } from './errors.js';
import type { Target } from './options.js';
import { Broken, type Answer, type Request } from './sender.js';
import { clock, pause } from './timers.js';
import { Transport } from './transport.js';

export const VERSION = '0.1.0';
const API = 1; // the version of the HTTP API that is spoken here
const PAUSE_MIN_MS = 25, PAUSE_MAX_MS = 1_000;
const WORK_MS = 30_000; // of a worker's calls: then its locks are over, and BullMQ tries again by itself
const CLOSE_MS = 3_000; // how long a daemon that does not answer may hold up a close
const REPEAT: ReadonlySet<number> = new Set([429, 502, 503, 504, 507]);

export interface CallOptions {
	readonly body?: string | undefined;
	readonly idempotencyKey?: string | undefined;
	readonly waits?: boolean;
	readonly timeoutMs?: number;
	readonly signal?: AbortSignal;
	/** When the signal fires, what the daemon had answered already still counts. */
	readonly gently?: boolean;
	/** Do not repeat what may have been done: reject with Lost. */
	readonly once?: boolean;
	/** How long trouble is waited out, if not as long as usual. */
	readonly patienceMs?: number;
}

/** The request may or may not have been carried out, and its caller does not want it repeated unseen. */
export class Lost extends Error {}

export class Link extends EventEmitter {
	readonly #target: Target;
	readonly #patient: boolean;
	readonly #transport: Transport;
	readonly #gone = new AbortController(); // disconnect, or the end of a close
	#ready: Promise<void> | undefined;
	#isReady = false;
	#closing = false;
	#hurriedAt: number | undefined;
	#troubled = false;
	#flying = 0;
	#landed: (() => void)[] = [];
	/** By name what the daemon can do. */
	features: ReadonlySet<string> = new Set();

	/** `patient`: goes on until it is closed (workers, event streams). */
	constructor(target: Target, patient: boolean) {
		super();
		this.setMaxListeners(0);
		this.#target = target;
		this.#patient = patient;
		const { address, token } = target;
		this.#transport = new Transport(address, { 'user-agent': `ruche-bullmq/${VERSION}`, ...(token ? { authorization: `Bearer ${token}` } : {}) });
	}

	get closing(): boolean {
		return this.#closing;
	}

	get address(): string {
		return this.#target.address.text;
	}

	get isReady(): boolean {
		return this.#isReady;
	}

	/** Resolves once the daemon has said who it is; goes on asking until then. */
	ready(): Promise<void> {
		this.#ready ??= this.#greet();
		return this.#ready;
	}

	async #greet(): Promise<void> {
		let answer: Answer;
		try {
			answer = await this.#send({ method: 'GET', path: '/v1', timeoutMs: this.#target.timeoutMs }, Infinity);
		} catch (error) {
			if (!(error instanceof TooOldError)) {
				this.#complain(error as Error);
				throw error;
			}
			const old = new TooOldError(`the daemon at ${this.address} is too old for @ruche/bullmq ${VERSION}: it does not answer GET /v1`);
			this.#complain(old);
			throw old;
		}
		const hello = JSON.parse(answer.text) as { version: string; api: [number, number]; features?: string[] };
		const [oldest, newest] = hello.api;
		if (API < oldest || API > newest) {
			const error = new TooOldError(`@ruche/bullmq ${VERSION} speaks version ${API} of the API, ruche ${hello.version} at ${this.address} speaks `
				+ `${oldest} to ${newest}: update ${API < oldest ? '@ruche/bullmq' : 'ruche'}`);
			this.#complain(error);
			throw error;
		}
		this.features = new Set(hello.features ?? []);
		this.#isReady = true;
		this.emit('ready');
	}

	/** Nobody may listen yet: an 'error' without a listener would be thrown. */
	#complain(error: Error): void {
		if (this.listenerCount('error') && !this.closing)
			this.emit('error', error);
	}

	/** Sends, repeats while that may help, and reads the JSON of the answer. */
	async call<T>(method: Request['method'], path: string, options: CallOptions = {}): Promise<T> {
		const usualMs = !this.#patient ? this.#target.patienceMs : options.waits ? Infinity : WORK_MS;
		const { once = false, patienceMs = usualMs, ...rest } = options;
		const request = { method, path, timeoutMs: this.#target.timeoutMs, ...rest };
		const answer = await this.#send(request, patienceMs, once);
		return (answer.text ? JSON.parse(answer.text) : undefined) as T;
	}

	async #send(request: Request, patienceMs: number, once = false): Promise<Answer> {
		this.#flying++;
		try {
			return await this.#sendPatiently(request, patienceMs, once);
		} finally {
			if (--this.#flying === 0)
				for (const resolve of this.#landed.splice(0))
					resolve();
		}
	}

	async #sendPatiently(request: Request, patienceMs: number, once: boolean): Promise<Answer> {
		let since: number | undefined, lost = false, pauseMs = PAUSE_MIN_MS;
		for (;;) {
			let error: Error, mayWait = 0;
			try {
				const answer = await this.#transport.send(request);
				if (answer.status < 400) {
					this.#recovered();
					return answer;
				}
				const problem = problemOf(answer);
				error = problemError(problem);
				if (!REPEAT.has(answer.status))
					throw error;
				if (once && problem.code === 'outcome_unknown')
					throw new Lost(error.message);
				mayWait = answer.retryAfterMs ?? 0;
			} catch (cause) {
				if (!(cause instanceof Broken)) // the caller went away
					throw cause;
				lost ||= cause.how !== 'refused';
				error = new UnreachableError(this.address, cause.message, lost);
				this.#trouble(error);
				if (once && cause.how !== 'refused' && !this.#gone.signal.aborted)
					throw new Lost(error.message);
			}
			since ??= clock();
			if (this.#gone.signal.aborted || clock() + pauseMs > this.#deadline(since, patienceMs))
				throw this.#hurriedAt !== undefined && this.#patient ? this.#gaveUp() : error;
			await pause(Math.max(pauseMs, Math.min(mayWait, 10_000)), request.signal);
			pauseMs = Math.min(pauseMs * 2, PAUSE_MAX_MS);
			request.signal?.throwIfAborted();
		}
	}

	/** No broken connection to BullMQ: a worker that closes would try for ever (6.0 does). */
	#gaveUp(): Error {
		return Object.assign(new Error(`Ruche at ${this.address} did not answer while the worker was closing: what it had not told yet runs again`), { code: 'unreachable' });
	}

	#deadline(since: number, patienceMs: number): number {
		const hurried = this.#hurriedAt === undefined ? Infinity : Math.max(since, this.#hurriedAt) + CLOSE_MS;
		return Math.min(since + patienceMs, hurried);
	}

	#trouble(error: Error): void {
		if (this.#troubled || this.closing)
			return;
		this.#troubled = true;
		this.emit('close');
		this.#complain(error);
	}

	#recovered(): void {
		if (this.#troubled)
			this.emit('ready');
		this.#troubled = false;
	}

	/** Somebody wants to come to an end: trouble is no longer waited out, until `relax`. */
	hurry(): void {
		this.#hurriedAt ??= clock();
	}

	relax(): void {
		if (!this.#closing)
			this.#hurriedAt = undefined;
	}

	startClosing(): void {
		this.#closing = true;
		this.hurry();
	}

	/** Resolves when nothing is on its way. */
	landed(): Promise<void> {
		return this.#flying ? new Promise((resolve) => this.#landed.push(resolve)) : Promise.resolve();
	}

	/** Cuts whatever is on its way. */
	cut(): void {
		this.#gone.abort();
		this.#transport.close();
	}

	get isCut(): boolean {
		return this.#gone.signal.aborted;
	}
}

/** The problem in an answer, also when something between us and the daemon wrote it. */
function problemOf(answer: Answer): Problem {
	try {
		const problem = JSON.parse(answer.text) as Problem;
		if (typeof problem?.code === 'string')
			return problem;
	} catch {
		// no JSON: a proxy's page
	}
	return { title: `HTTP status ${answer.status}`, status: answer.status, code: 'bad_answer',
		detail: `status ${answer.status} without a problem of Ruche's; is something else listening there?` };
}

/** `?a=1&b=x`; empty when there is nothing to say. */
export function queryText(query: Readonly<Record<string, string | number | undefined>>): string {
	const said = new URLSearchParams();
	for (const [name, value] of Object.entries(query))
		if (value !== undefined)
			said.set(name, String(value));
	const text = said.toString();
	return text && `?${text}`;
}
