// A group of a queue: jobs that share a key, limits of their own, and turns with the other groups.
import type { Connection } from './connection.js';
import { queryText } from './connection.js';
import type { Rate } from './settings.js';
import { fromWire, toWire } from './wording.js';

/** What a group has of its own; null or left out: the queue's. */
export interface GroupSettings {
	/** Active jobs; 0: no limit. */
	concurrency?: number | null;
	rate?: Rate | null;
	/** Names of the limits that it takes from, at most 4. */
	limits?: string[] | null;
	/** Its share of the queue's starts as against other groups', 1 to 1,000 (1). */
	weight?: number | null;
}

/** A group as it is now. */
export interface GroupView {
	readonly key: string;
	readonly paused: boolean;
	readonly waiting: number;
	readonly active: number;
	readonly delayed: number;
	/** What holds it back, as `explain` words it. */
	readonly code: string;
	readonly settings: GroupSettings;
}

/** A group to act on. One without anything is empty, not missing. */
export class Group {
	readonly key: string;
	readonly #connection: Connection;
	readonly #where: { readonly queue: string; readonly namespace: string };

	/** @internal */
	constructor(connection: Connection, where: { queue: string; namespace: string }, key: string) {
		this.#connection = connection;
		this.#where = where;
		this.key = key;
	}

	async get(): Promise<GroupView> {
		const { queue, namespace } = this.#where;
		const path = `/v1/queues/${encodeURIComponent(queue)}/groups/${encodeURIComponent(this.key)}`;
		return fromWire(await this.#connection.call('GET', `${path}${queryText({ namespace })}`));
	}

	/** Sets all of its settings: what is left out is the queue's. */
	async configure(settings: GroupSettings): Promise<void> {
		await this.#operate('group_put', { settings: toWire(settings) });
	}

	/** Starts no more of its jobs; those that run go on. */
	async pause(): Promise<void> {
		await this.#operate('group_pause');
	}

	async resume(): Promise<void> {
		await this.#operate('group_resume');
	}

	/** Starts none of its jobs for `ms` milliseconds. A longer pause is never shortened; 0 ends it. */
	async backOff(ms: number): Promise<void> {
		await this.#operate('back_off', { delay_ms: ms });
	}

	/** Forgets its settings; its jobs stay. */
	async forget(): Promise<void> {
		await this.#operate('group_delete');
	}

	async #operate(op: string, more: object = {}): Promise<void> {
		await this.#connection.operate({ op, ...this.#where, group: this.key, ...more });
	}
}
