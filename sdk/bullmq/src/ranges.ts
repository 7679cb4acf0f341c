// Reading by place: jobs of a state, log lines, metrics.
import type { Coalescer } from './coalescer.js';
import { RucheError } from './errors.js';
import { queryText, type Link } from './link.js';
import { pathOf, type Place } from './place.js';
import type { WireJob } from './wire.js';

const PAGE = 1_000; // of one answer

/** BullMQ's types and the daemon's states; others are none. */
const STATES: Readonly<Record<string, string>> = {
	wait: 'waiting', waiting: 'waiting', active: 'active', prioritized: 'prioritised', delayed: 'delayed', 'waiting-children': 'waiting_children',
	completed: 'completed', failed: 'failed',
};

/** On Redis these are lists, whose newest is at the head: BullMQ turns them round again when it asked for the oldest first. */
const LISTS: ReadonlySet<string> = new Set(['wait', 'waiting', 'active']);

export interface JobName {
	readonly uid: string;
	readonly id: string;
}

export interface Range {
	readonly state: string;
	readonly from?: number;
	readonly to?: number;
	readonly order?: 'asc' | 'desc';
	/** Wall time in ms: only those before it. */
	readonly before?: number | undefined;
}

interface Metric {
	readonly count: number;
	readonly minute_at: string | null;
	readonly count_before: number;
	readonly points: readonly number[];
	readonly total: number;
}

interface Answer {
	readonly total: number;
	readonly ids?: readonly JobName[];
	readonly jobs?: readonly WireJob[];
}

export class Ranges {
	readonly #link: Link;
	readonly #coalescer: Coalescer;
	readonly #place: Place;

	constructor(link: Link, coalescer: Coalescer, place: Place) {
		this.#link = link;
		this.#coalescer = coalescer;
		this.#place = place;
	}

	/** Ids of a type from one place to another, both included; as BullMQ expects them from a backend. */
	async ids(type: string, start: number, end: number, ascending: boolean): Promise<string[]> {
		const state = STATES[type];
		if (!state)
			return [];
		const order = ascending ? 'asc' : 'desc';
		const ids: string[] = [];
		for (let from = start; ;) {
			const { ids: page = [], total } = await this.#ask({ state, from, to: end, order }, 'ids');
			ids.push(...page.map((name) => name.id));
			from = (from < 0 ? Math.max(0, total + from) : from) + page.length;
			if (page.length < PAGE || (end >= 0 && from > end) || from >= total)
				break;
		}
		return ascending && LISTS.has(type) ? ids.reverse() : ids;
	}

	async count(type: string, before?: number): Promise<number> {
		const state = STATES[type];
		return state ? (await this.#ask({ state, before }, 'none')).total : 0;
	}

	/** One page of names. */
	async names(range: Range): Promise<readonly JobName[]> {
		return (await this.#ask(range, 'ids')).ids ?? [];
	}

	/** One page of whole jobs, without their payloads. */
	async jobs(range: Range): Promise<readonly WireJob[]> {
		return (await this.#ask(range, 'jobs')).jobs ?? [];
	}

	async #ask({ before, ...range }: Range, what: 'none' | 'ids' | 'jobs'): Promise<Answer> {
		await this.#link.ready();
		await this.#coalescer.settled();
		const instant = before === undefined ? undefined : new Date(before).toISOString();
		const path = pathOf(this.#place, `/range${queryText({ namespace: this.#place.namespace, ...range, before: instant, what })}`);
		try {
			return await this.#link.call<Answer>('GET', path);
		} catch (error) {
			if (error instanceof RucheError && error.code === 'queue_not_found')
				return { total: 0 };
			throw error;
		}
	}

	/** Lines from one place to another; descending: places count from the newest, which comes first. */
	async logs(uid: string, start: number, end: number, ascending: boolean): Promise<{ logs: string[]; count: number }> {
		const logs: string[] = [];
		let count = 0;
		for (let from = start; ;) {
			const limit = end < 0 ? PAGE : Math.min(PAGE, Math.max(1, end - from + 1));
			const query = queryText({ from, limit, order: ascending ? 'asc' : 'desc' });
			let page: { logs: { line: string }[]; count: number };
			try {
				page = await this.#link.call('GET', `/v1/jobs/${uid}/logs${query}`);
			} catch (error) {
				if (error instanceof RucheError && error.code === 'job_not_found')
					return { logs: [], count: 0 };
				throw error;
			}
			({ count } = page);
			logs.push(...page.logs.map((row) => row.line));
			from += page.logs.length;
			if (page.logs.length < limit || (end >= 0 && from > end) || from >= count)
				break;
		}
		return { logs: end < -1 ? logs.slice(0, end + 1) : logs, count };
	}

	/** [[all ever, the minute with the last end, how many there were before it], points newest first, how many points there are]. */
	async metrics(type: 'completed' | 'failed', start: number, end: number): Promise<[string[], string[], number]> {
		await this.#link.ready();
		await this.#coalescer.settled();
		const path = pathOf(this.#place, `/metrics${queryText({ namespace: this.#place.namespace, from: start, to: end })}`);
		let metric: Metric;
		try {
			metric = (await this.#link.call<Record<'completed' | 'failed', Metric>>('GET', path))[type];
		} catch (error) {
			if (error instanceof RucheError && error.code === 'queue_not_found')
				return [[], [], 0];
			throw error;
		}
		const { count, minute_at: minute, count_before: before, points, total } = metric;
		return [[String(count), minute ? String(Date.parse(minute)) : '0', String(before)], points.map(String), total];
	}
}
