// What wakes a worker: a claim that waits in the daemon. Looking and parking are one step there, so no job is missed in between. BullMQ first waits and
// then claims, and only the claim brings the token: so the wait answers at once, and the claim after it waits. One that a limit may stop does not wait:
// BullMQ wants to hear of limits; nor one of a program whose clock is not the daemon's. For those the wait claims nothing.
import { Lost, type Link } from './link.js';
import type { Place } from './place.js';
import { clock, pause } from './timers.js';
import type { WireClaim } from './wire.js';

const ANSWER_MS = 10_000; // for the answer itself, beyond the wait
const WAIT_MAX_MS = 300_000;
const LOST_MS = 100; // before the next try: what cuts connections may go on doing so
const SKEW_MAX_MS = 1_000;
const READY = { member: '0', score: 0 };

export class WorkWait {
	readonly #link: Link;
	readonly #place: Place;
	readonly #terms: object;
	readonly #limited: boolean;
	readonly #waiting = new Set<AbortController>();
	readonly #skewMs = Date.now() - clock();
	/** How long the next claim is to wait. */
	#armedMs = 0;
	#stopped = false;

	/** `terms`: what its claims say of a limiter, if there is one. */
	constructor(link: Link, place: Place, terms: object) {
		this.#link = link;
		this.#place = place;
		this.#terms = terms;
		this.#limited = Object.keys(terms).length > 0;
	}

	/** Resolves with a marker when a job may start, or when the claim that follows will wait for one; with null when the time is over or `stop` was called. */
	async wait(ms: number): Promise<typeof READY | null> {
		await this.#link.ready();
		if (this.#stopped || this.#link.closing)
			return null;
		const waitMs = Math.min(Math.max(1, Math.ceil(ms)), WAIT_MAX_MS);
		if (!this.#limited && Math.abs(Date.now() - clock() - this.#skewMs) < SKEW_MAX_MS) {
			this.#armedMs = waitMs;
			return READY;
		}
		const answer = await this.#park({ queues: [this.#place], max: 0, compat: 'bullmq', ...this.#terms }, waitMs);
		return answer?.ready ? READY : null;
	}

	/** Whether the next claim is one that waits. */
	get isArmed(): boolean {
		return this.#armedMs > 0;
	}

	/** The claim after a wait: `claim` is its JSON object. Resolves with null when the wait was withdrawn, or nobody knows what came of it. */
	claim(claim: object): Promise<WireClaim | null> {
		const waitMs = this.#armedMs;
		this.#armedMs = 0;
		return this.#stopped ? Promise.resolve(null) : this.#park(claim, waitMs);
	}

	async #park(claim: object, waitMs: number): Promise<(WireClaim & { ready?: number }) | null> {
		const waiting = new AbortController();
		this.#waiting.add(waiting);
		try {
			return await this.#link.call('POST', '/v1/claims', {
				body: JSON.stringify({ ...claim, wait_ms: waitMs }), waits: true, timeoutMs: waitMs + ANSWER_MS, once: true, signal: waiting.signal, gently: true,
			});
		} catch (error) {
			if (!(waiting.signal.aborted || this.#stopped || error instanceof Lost))
				throw error;
			if (error instanceof Lost)
				await pause(LOST_MS, waiting.signal);
			return null;
		} finally {
			this.#waiting.delete(waiting);
		}
	}

	/** Withdraws the waits under way; those that come return at once until `allow`. */
	stop(): void {
		this.#stopped = true;
		this.#armedMs = 0;
		for (const waiting of this.#waiting)
			waiting.abort();
	}

	allow(): void {
		this.#stopped = false;
	}
}
