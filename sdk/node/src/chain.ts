// A queue's chains: jobs that repeat, each made when the one before it is claimed.
import type { Connection } from './connection.js';
import { queryText } from './connection.js';
import type { EnqueueOptions } from './job.js';
import { validated, type Schema } from './schema.js';
import { fromWire, toWire } from './wording.js';

/** When its jobs run: either `everyMs` or `pattern`. */
export interface ChainSchedule {
	/** At once or at `startAt`, then so long after each other. */
	everyMs?: number;
	/** With `everyMs`: at its multiples since 1970 plus this. */
	offsetMs?: number;
	/** Cron: minute, hour, day of month, month, day of week; with six fields, seconds first. */
	pattern?: string;
	/** IANA name of the pattern's time zone (UTC). */
	tz?: string;
	/** With `pattern`: the first job at once. */
	immediately?: boolean;
	/** None before, none after. */
	startAt?: Date | string;
	endAt?: Date | string;
	/** Jobs in all. */
	limit?: number;
}

/** What each of its jobs has besides the payload. */
export type ChainJob = Pick<EnqueueOptions, 'name' | 'group' | 'priority' | 'lifo' | 'maxAttempts' | 'retry' | 'timeoutMs' | 'ttlMs' | 'tags' | 'http'>;

/** What a chain is made of. */
export interface NewChain<Payload> {
	schedule: ChainSchedule;
	job?: ChainJob;
	/** Of each job, at most 256 KiB. */
	payload?: Payload;
	/** Of each job: an object of your own. */
	metadata?: Record<string, unknown>;
}

/** A chain as it is now. */
export interface ChainView<Payload = unknown> {
	readonly key: string;
	readonly queue: string;
	readonly namespace: string;
	readonly schedule: ChainSchedule;
	readonly job: ChainJob;
	readonly payload: Payload;
	readonly metadata?: Record<string, unknown>;
	/** The time that its next job is for; null: it has ended. */
	readonly nextAt: string | null;
	/** That job. It can be promoted, but not cancelled, moved or deleted. */
	readonly nextUid: string | null;
	/** With `everyMs`: what its times are beyond the multiples. */
	readonly offsetMs: number;
	/** Jobs made since it was put. */
	readonly count: number;
}

/** The chains of a queue, by their keys. */
export class Chains<Payload = unknown> {
	readonly #connection: Connection;
	readonly #where: { readonly queue: string; readonly namespace: string };
	readonly #schema: Schema<Payload, any> | undefined;

	/** @internal */
	constructor(connection: Connection, where: { queue: string; namespace: string }, schema: Schema<Payload, any> | undefined) {
		this.#connection = connection;
		this.#where = where;
		this.#schema = schema;
	}

	/** Makes a chain, or replaces it and its next job; the same again changes nothing. Throws InvalidFieldError, InvalidPayloadError. */
	async put(key: string, chain: NewChain<Payload>): Promise<ChainView<Payload>> {
		if (this.#schema)
			await validated(this.#schema, chain.payload, this.#where.queue);
		return fromWire(await this.#connection.call('PUT', this.#path(key), { body: toWire(chain) }));
	}

	/** Throws NotFoundError. */
	async get(key: string): Promise<ChainView<Payload>> {
		return fromWire(await this.#connection.call('GET', this.#path(key)));
	}

	/** All of them, by key. */
	list(): AsyncGenerator<ChainView<Payload>, void, void> {
		return this.#connection.pages(this.#base, { namespace: this.#where.namespace, limit: 500 }, 'chains');
	}

	/** Deletes the chain and its next job; jobs that were claimed go on. Throws NotFoundError. */
	async delete(key: string): Promise<void> {
		await this.#connection.operate({ op: 'chain_delete', ...this.#where, key });
	}

	get #base(): string {
		return `/v1/queues/${encodeURIComponent(this.#where.queue)}/chains`;
	}

	#path(key: string): string {
		return `${this.#base}/${encodeURIComponent(key)}${queryText({ namespace: this.#where.namespace })}`;
	}
}
