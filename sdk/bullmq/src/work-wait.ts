// What wakes a worker: one parked claim that takes nothing. Looking and parking are one step in the daemon, so no job is missed in between.
import type { Link } from './link.js';
import type { Place } from './place.js';

const ANSWER_MS = 10_000; // for the answer itself, beyond the wait
const WAIT_MAX_MS = 300_000;

export class WorkWait {
	readonly #link: Link;
	readonly #place: Place;
	readonly #terms: object;
	#waiting: AbortController | undefined;
	#stopped = false;

	/** `terms`: what else its claims say. */
	constructor(link: Link, place: Place, terms: object) {
		this.#link = link;
		this.#place = place;
		this.#terms = terms;
	}

	/** Resolves with a marker when a job may start, with null when the time is over or `stop` was called. */
	async wait(ms: number): Promise<{ member: string; score: number } | null> {
		await this.#link.ready();
		if (this.#stopped || this.#link.closing)
			return null;
		const waiting = this.#waiting = new AbortController();
		const waitMs = Math.min(Math.max(1, Math.ceil(ms)), WAIT_MAX_MS);
		const body = JSON.stringify({ queues: [this.#place], max: 0, wait_ms: waitMs, compat: 'bullmq', ...this.#terms });
		try {
			const { ready = 0 } = await this.#link.call<{ ready?: number }>('POST', '/v1/claims', {
				body, waits: true, timeoutMs: waitMs + ANSWER_MS, signal: waiting.signal,
			});
			return ready > 0 ? { member: '0', score: 0 } : null;
		} catch (error) {
			if (waiting.signal.aborted || this.#stopped)
				return null;
			throw error;
		} finally {
			if (this.#waiting === waiting)
				this.#waiting = undefined;
		}
	}

	/** Withdraws the wait under way; those that come return at once until `allow`. */
	stop(): void {
		this.#stopped = true;
		this.#waiting?.abort();
	}

	allow(): void {
		this.#stopped = false;
	}
}
