// Bulk work: something done with every job that matches, by the daemon, in slices.
import type { Connection } from './connection.js';
import type { WaitOptions } from './job-handle.js';
import { TimedOutError } from './errors.js';
import { pause } from './timers.js';
import { fromWire } from './wording.js';

export type Action = 'cancel' | 'retry' | 'promote' | 'reprioritise' | 'move' | 'delete';

/** What an action needs: `priority` to reprioritise; `queue` to move; the others may be left out. */
export interface ActionArguments {
	priority?: number;
	queue?: string;
	namespace?: string;
	/** Milliseconds, to move or retry. */
	delayMs?: number;
	payload?: unknown;
	reason?: string;
}

/** How far a bulk operation is. */
export interface OperationView {
	readonly uid: string;
	readonly action: Action;
	readonly state: 'running' | 'paused' | 'done' | 'cancelled';
	readonly done: number;
	/** Jobs that changed after it began. */
	readonly skipped: number;
	/** Jobs that could not be changed. */
	readonly failed: number;
	readonly createdAt: string;
	readonly finishedAt: string | null;
}

/** A bulk operation that was started. */
export class Operation {
	readonly uid: string;
	readonly #connection: Connection;

	/** @internal */
	constructor(connection: Connection, wire: { uid: string }) {
		this.uid = wire.uid;
		this.#connection = connection;
	}

	async get(): Promise<OperationView> {
		return fromWire(await this.#connection.call('GET', `/v1/operations/${this.uid}`));
	}

	/** Waits until it is done or cancelled. Throws TimedOutError. */
	async ended(options: WaitOptions = {}): Promise<OperationView> {
		const until = options.timeoutMs === undefined ? Infinity : performance.now() + options.timeoutMs;
		for (let pauseMs = 20; ; pauseMs = Math.min(pauseMs * 2, 1_000)) {
			const view = await this.get();
			if (view.state === 'done' || view.state === 'cancelled')
				return view;
			if (performance.now() >= until)
				throw new TimedOutError(`operation ${this.uid} has not ended within ${options.timeoutMs} ms: it is ${view.state}`);
			await pause(Math.min(pauseMs, until - performance.now()), options.signal);
			options.signal?.throwIfAborted();
		}
	}

	async pause(): Promise<void> {
		await this.#connection.operate({ op: 'operation_pause', uid: this.uid });
	}

	async resume(): Promise<void> {
		await this.#connection.operate({ op: 'operation_resume', uid: this.uid });
	}

	/** Stops it for good; what it did stays. */
	async cancel(): Promise<void> {
		await this.#connection.operate({ op: 'operation_cancel', uid: this.uid });
	}
}
