// Dedup keys: of a queue, apart from ids. At most one job owns a key.
import type { Connection } from './connection.js';
import { fromWire } from './wording.js';

/** What an enqueue with a key does when another job owns it: nothing, and the owner is answered, unless one of these says otherwise. */
export interface Dedup {
	/** 1 to 512 bytes. */
	key: string;
	/** The key is free so many milliseconds after the enqueue; left out: when its owner has ended. */
	ttlMs?: number;
	/** An enqueue that is ignored starts `ttlMs` anew. */
	extend?: boolean;
	/** A delayed owner is deleted, and this job owns the key: with `delayMs`, a debounce. */
	replace?: boolean;
	/** A delayed owner is due `delayMs` from now. */
	reschedule?: boolean;
	/** However often it is put off by `replace` or `reschedule`: something starts at most so many milliseconds after the first enqueue. */
	maxWaitMs?: number;
	/** While the owner runs, the newest enqueue is kept, and starts when the owner has ended. */
	keepLast?: boolean;
	/** An owner that waits is superseded by this job, also when it was to be tried again; one that runs is followed by the newest. */
	latest?: boolean;
	/** This job starts when the owner has ended: jobs under the key go one after the other. */
	fifo?: boolean;
}

/** Who owns a key. */
export interface DedupOwner {
	readonly uid: string;
	readonly id: string;
	/** When the key is free; null: when its owner has ended. */
	readonly untilAt: string | null;
	/** The job that starts then. */
	readonly nextUid: string | null;
}

/** A dedup key to act on. Its methods throw NotFoundError while there is no such queue. */
export class DedupKey {
	readonly key: string;
	readonly #connection: Connection;
	readonly #where: { readonly queue: string; readonly namespace: string };

	/** @internal */
	constructor(connection: Connection, where: { queue: string; namespace: string }, key: string) {
		this.#connection = connection;
		this.#where = where;
		this.key = key;
	}

	/** Who owns it; null: nobody. */
	owner(): Promise<DedupOwner | null> {
		return this.#ask('dedup_get');
	}

	/** Frees it: the next enqueue with it is a job of its own; one that was kept to follow begins to wait. With `uid`: only if that job owns it. Answers who did. */
	release(options: { uid?: string } = {}): Promise<DedupOwner | null> {
		return this.#ask('dedup_release', options);
	}

	async #ask(op: string, more: object = {}): Promise<DedupOwner | null> {
		const { key, count, ...owner } = await this.#connection.operate<{ key: string; count: number }>({ op, ...this.#where, key: this.key, ...more });
		return count ? fromWire(owner) : null;
	}
}
