// What goes over many jobs: pages of names, then operations that each look at the state again, so that nothing is done to a job that went on meanwhile.
import { Refusal, type Coalescer, type Operation, type Result } from './coalescer.js';
import { problemError, type Problem } from './errors.js';
import type { Place } from './place.js';
import type { JobName, Range, Ranges } from './ranges.js';
import type { Schedulers } from './schedulers.js';

const PAGE = 1_000;
const PASSED: ReadonlySet<string> = new Set(['illegal_state', 'job_not_found', 'chain_owned']); // it went on, or is not ours to take

const WAITING = { wait: 'waiting', waiting: 'waiting', prioritized: 'prioritised', delayed: 'delayed', completed: 'completed', failed: 'failed',
	'waiting-children': 'waiting_children' } as const;
const ALL = ['waiting', 'prioritised', 'delayed', 'waiting_children', 'parked', 'active', 'completed', 'failed', 'cancelled', 'expired'];

export class Sweeps {
	readonly #coalescer: Coalescer;
	readonly #ranges: Ranges;
	readonly #schedulers: Schedulers;
	readonly #place: Place;

	constructor(coalescer: Coalescer, ranges: Ranges, schedulers: Schedulers, place: Place) {
		this.#coalescer = coalescer;
		this.#ranges = ranges;
		this.#schedulers = schedulers;
		this.#place = place;
	}

	/** Answers those of the page that it was done to. */
	async #each(page: readonly JobName[], op: (name: JobName) => object): Promise<JobName[]> {
		const done = await Promise.all(page.map(async (name) => {
			const operation: Operation = { json: JSON.stringify({ ...op(name), uid: name.uid }), kind: 'safe' };
			try {
				await this.#coalescer.add(operation);
				return true;
			} catch (error) {
				if (error instanceof Refusal && PASSED.has(error.problem.code))
					return false;
				throw error instanceof Refusal ? problemError(error.problem as Problem) : error;
			}
		}));
		return page.filter((_, i) => done[i]);
	}

	/** Page after page, passing over what stays, until `most` are done or there are no more. */
	async #all(range: Range, most: number, op: (name: JobName) => object): Promise<string[]> {
		const ids: string[] = [];
		for (let from = 0; ids.length < most;) {
			const page = await this.#ranges.names({ ...range, from, to: from + Math.min(PAGE, most - ids.length) - 1 });
			if (!page.length)
				break;
			const done = await this.#each(page, op);
			ids.push(...done.map((name) => name.id));
			from += page.length - done.length;
		}
		return ids;
	}

	async drain(delayed: boolean): Promise<void> {
		for (const state of delayed ? ['waiting', 'prioritised', 'delayed'] : ['waiting', 'prioritised'])
			await this.#all({ state }, Infinity, () => ({ op: 'delete', only_state: plain(state) }));
	}

	/** Removes jobs of a state that are older; answers their ids. A running one is never taken: one that stalled is put back by the workers. */
	async clean(state: string, timestamp: number, limit: number): Promise<string[]> {
		const native = WAITING[state as keyof typeof WAITING];
		const most = limit > 0 ? limit : Infinity;
		const op = (): object => ({ op: 'delete', only_state: plain(native) });
		const ids = !native ? []
			: native === 'delayed' || native === 'waiting_children' ? await this.#byCreation(native, timestamp, most, op)
			: await this.#all({ state: native, before: timestamp + 1 }, most, op);
		await this.#tell('cleaned', { count: String(ids.length) });
		return ids;
	}

	/** Their place goes by another instant than the one that BullMQ looks at. */
	async #byCreation(state: string, timestamp: number, most: number, op: () => object): Promise<string[]> {
		const ids: string[] = [];
		for (let from = 0; ids.length < most;) {
			const page = await this.#ranges.jobs({ state, from, to: from + PAGE - 1 });
			const old = page.filter((job) => Date.parse(job.started_at ?? job.created_at) <= timestamp).slice(0, most - ids.length);
			const done = await this.#each(old, op);
			ids.push(...done.map((name) => name.id));
			from += page.length - done.length;
			if (page.length < PAGE)
				break;
		}
		return ids;
	}

	/** Up to `count` jobs of any state; 1 while there may be more, 0 when the queue is empty and forgotten. */
	async obliterate(count: number): Promise<number> {
		let left = Math.max(1, count);
		await this.#schedulers.removeAll(); // first: their jobs are theirs until then
		for (const state of ALL) {
			const gone = await this.#all({ state }, left, () => ({ op: 'delete', force: true }));
			left -= gone.length;
			if (left <= 0)
				return 1;
		}
		while ((await this.#do({ op: 'queue_reset', ...this.#place }))['more'])
			; // events are forgotten in pages
		return 0;
	}

	/** 1 while there may be more. */
	async retry(state: 'failed' | 'completed', count: number, timestamp: number): Promise<number> {
		const done = await this.#all({ state, before: timestamp + 1 }, count, () => ({ op: 'retry', only_state: state, keep_attempts: true }));
		return done.length >= count ? 1 : 0;
	}

	async promote(count: number): Promise<number> {
		const done = await this.#all({ state: 'delayed' }, count, () => ({ op: 'promote', only_state: 'delayed' }));
		return done.length >= count ? 1 : 0;
	}

	async #tell(name: string, details: object): Promise<void> {
		await this.#do({ op: 'event', ...this.#place, name, details });
	}

	async #do(op: object): Promise<Result> {
		try {
			return await this.#coalescer.add({ json: JSON.stringify(op), kind: 'once' });
		} catch (error) {
			throw error instanceof Refusal ? problemError(error.problem) : error;
		}
	}
}

/** A waiting job is waiting, whatever its priority. */
function plain(state: string): string {
	return state === 'prioritised' ? 'waiting' : state;
}
