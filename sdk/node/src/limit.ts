// Named budgets of a namespace: what all queues and groups that name one may start together, and permits for those who have no jobs.
import { randomUUID } from 'node:crypto';
import type { Connection } from './connection.js';
import { queryText } from './connection.js';
import { Backoff } from './delay.js';
import { NotFoundError, TimedOutError } from './errors.js';
import type { WaitOptions } from './job-handle.js';
import type { Rate } from './settings.js';
import { pause } from './timers.js';
import { fromWire, toWire } from './wording.js';

/** What all that take from a limit may do together. Left out: not bounded by that. */
export interface LimitSettings {
	/** Starts. null: no limit. */
	rate?: Rate | null;
	/** Jobs that run and units that are held; 0: no limit. */
	concurrency?: number;
	/** Longer pauses are cut to so many milliseconds; 0: none is. */
	penaltyMsMax?: number;
}

/** A limit as it is now. */
export interface LimitView {
	readonly name: string;
	readonly namespace: string;
	/** Jobs that run under it. */
	readonly active: number;
	/** Units of permits. */
	readonly held: number;
	/** Queues, or sets of groups, in its line. */
	readonly waiting: number;
	/** `ready`, or what stops a start now: `limit_concurrency`, `limit_rate`, `backed_off`. */
	readonly code: string;
	/** When that ends by itself. */
	readonly untilAt: string | null;
	readonly settings: LimitSettings;
}

/** What to take of a limit. */
export interface PermitOptions {
	/** The holder's own word, one for each permit: whoever knows it can renew and release it (a random one). */
	token?: string;
	/** How many starts it is (1). */
	units?: number;
	/** Held so long unless it is renewed, in milliseconds (30,000). */
	leaseMs?: number;
}

/** An answer to one question for a permit. */
export type PermitAnswer = { readonly granted: true; readonly permit: Permit }
	| { readonly granted: false; /** When to ask again, in milliseconds; null: nobody knows. */ readonly retryInMs: number | null };

type Grant = { granted: boolean; retry_in_ms: number | null };
type Name = { readonly limit: string; readonly namespace: string };

const ASK_AGAIN_MS = 1_000; // also when the daemon says later: pauses are ended and limits changed before their time

/** What was taken of a limit without a job: given back by `release`, by `await using`, or when its lease runs out. */
export class Permit {
	readonly token: string;
	readonly units: number;
	readonly #connection: Connection;
	readonly #name: Name;
	readonly #leaseMs: number | undefined;

	/** @internal */
	constructor(connection: Connection, name: Name, { token = randomUUID(), units = 1, leaseMs }: PermitOptions) {
		this.#connection = connection;
		this.#name = name;
		this.token = token;
		this.units = units;
		this.#leaseMs = leaseMs;
	}

	/**
	 * The lease begins anew; one that has run out is taken anew. False: it has, and there is not so much left now: stop. Not where the limit has a rate only:
	 * nothing is held there, and it would be another start.
	 */
	async renew(): Promise<boolean> {
		return (await this.ask()).granted;
	}

	/** Gives it back; starts of a rate stay started. False: its lease was over, or the limit is not there any more. */
	async release(): Promise<boolean> {
		try {
			const { released } = await this.#connection.operate<{ released: number }>({ op: 'limit_release', ...this.#name, token: this.token });
			return released > 0;
		} catch (error) {
			if (error instanceof NotFoundError)
				return false;
			throw error;
		}
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.release();
	}

	/** @internal */
	ask(): Promise<Grant> {
		return this.#connection.operate({ op: 'limit_acquire', ...this.#name, token: this.token, units: this.units, lease_ms: this.#leaseMs });
	}
}

/** A limit to act on. Making one asks nothing of the daemon; its methods throw NotFoundError while there is no such limit. */
export class Limit {
	readonly name: string;
	readonly namespace: string;
	readonly #connection: Connection;

	/** @internal */
	constructor(connection: Connection, name: string, namespace: string) {
		this.name = name;
		this.namespace = namespace;
		this.#connection = connection;
	}

	async get(): Promise<LimitView> {
		return fromWire(await this.#connection.call('GET', this.#path));
	}

	/** Changes what is said and leaves the rest; makes the limit if there is none. */
	async configure(settings: LimitSettings): Promise<LimitView> {
		return fromWire(await this.#connection.call('PATCH', this.#path, { body: toWire(settings) }));
	}

	/** Sets all of its settings: what is left out bounds nothing. Makes the limit if there is none. */
	async put(settings: LimitSettings): Promise<LimitView> {
		return fromWire(await this.#connection.call('PUT', this.#path, { body: toWire(settings) }));
	}

	/** Permits end, jobs that run under it go on. Throws ConflictError while a queue or group names it. */
	async delete(): Promise<void> {
		await this.#connection.operate({ op: 'limit_delete', ...this.#named });
	}

	/** Starts nothing under it for `ms` milliseconds. A longer pause is never shortened; 0 ends it. */
	async backOff(ms: number): Promise<void> {
		await this.#connection.operate({ op: 'back_off', ...this.#named, delay_ms: ms });
	}

	/** Asks once for a permit. Throws InvalidFieldError when so many units can never be granted. */
	async tryAcquire(options: PermitOptions = {}): Promise<PermitAnswer> {
		const permit = new Permit(this.#connection, this.#named, options);
		const { granted, retry_in_ms: retryInMs } = await permit.ask();
		return granted ? { granted, permit } : { granted: false, retryInMs };
	}

	/** The same until it is granted: asks again when the daemon says so, and each second where that is later or nobody knows. Throws TimedOutError. */
	async acquire({ timeoutMs = Infinity, signal, ...options }: PermitOptions & WaitOptions = {}): Promise<Permit> {
		const until = performance.now() + timeoutMs;
		const { token = randomUUID() } = options;
		const backoff = new Backoff(50, ASK_AGAIN_MS);
		for (;;) {
			signal?.throwIfAborted();
			const answer = await this.tryAcquire({ ...options, token });
			if (answer.granted) {
				if (signal?.aborted && options.token === undefined)
					await answer.permit.release(); // nobody waits for it any more; one of the caller's own token may have been there before
				signal?.throwIfAborted();
				return answer.permit;
			}
			const leftMs = until - performance.now();
			if (leftMs <= 0)
				throw new TimedOutError(`limit '${this.name}' has granted no permit within ${timeoutMs} ms`);
			await pause(Math.min(answer.retryInMs ?? backoff.next(), ASK_AGAIN_MS, leftMs), signal);
		}
	}

	get #named(): Name {
		return { limit: this.name, namespace: this.namespace };
	}

	get #path(): string {
		return `/v1/limits/${encodeURIComponent(this.name)}${queryText({ namespace: this.namespace })}`;
	}
}
