// BullMQ's job schedulers are chains of the daemon: who claimed a chain's newest job asks for the one after it; limits and ends are BullMQ's to keep.
import type { JobsOptions, RepeatableOptions } from 'bullmq';
import { Refusal, type Coalescer, type Operation, type Result } from './coalescer.js';
import { attemptsOf, nameFits, slotOf, storedOpts } from './job-json.js';
import type { Place } from './place.js';
import { refusalOf } from './refusals.js';
import type { WireChain } from './wire.js';

const PAGE = 1_000;
const MISSING: ReadonlySet<string> = new Set(['chain_not_found', 'queue_not_found']);

export class Schedulers {
	readonly #coalescer: Coalescer;
	readonly #place: Place;

	constructor(coalescer: Coalescer, place: Place) {
		this.#coalescer = coalescer;
		this.#place = place;
	}

	/** The id of its next job, and in how many milliseconds that runs. */
	async put(key: string, nextMillis: number | undefined, data: string, templateOpts: JobsOptions, opts: RepeatableOptions, next: JobsOptions):
		Promise<[string, number]> {
		const named = nameFits(opts.name);
		const { priority, lifo } = templateOpts;
		const op = {
			op: 'chain_put', compat: 'bullmq', ...this.#place, key,
			schedule: scheduleOf(opts),
			job: {
				...(named ? { name: opts.name } : {}), ...(priority ? { priority } : {}), ...(lifo ? { lifo: true } : {}),
				max_attempts: attemptsOf(templateOpts),
			},
			metadata: {
				opts: storedOpts(templateOpts), ...(named ? {} : { name: String(opts.name ?? '') }),
				...(opts.every && opts.tz ? { tz: opts.tz } : {}), // a zone says nothing of an interval, but it is read back
			},
			...iteration(key, nextMillis, next, opts.name),
		};
		const json = `${JSON.stringify(op).slice(0, -1)},"payload":${data}}`;
		const id = String((await this.#do({ json, kind: 'once' }, 'addJobScheduler'))['next_id']);
		return [id, Math.max(0, slotOf(id) - Date.now())];
	}

	/** The id of the next job; null when the producer is not the newest one, or the scheduler is gone. */
	async next(key: string, nextMillis: number | undefined, next: JobsOptions, producerId: string | undefined, name?: string): Promise<string | null> {
		const op = { op: 'chain_next', ...this.#place, key, producer_id: producerId, ...iteration(key, nextMillis, next, name) };
		const result = producerId ? await this.#orNone(op, 'once', 'updateJobScheduler') : undefined;
		return (result?.['next_id'] ?? null) as string | null;
	}

	/** Whether it was there. */
	async remove(key: string): Promise<boolean> {
		return Boolean(await this.#orNone({ op: 'chain_delete', ...this.#place, key }, 'safe', 'removeJobScheduler'));
	}

	/** All of them: for a queue that goes. */
	async removeAll(): Promise<void> {
		for (let page = await this.#page('asc', 0, PAGE - 1); page.chains.length; page = await this.#page('asc', 0, PAGE - 1))
			await Promise.all(page.chains.map(({ key }) => this.remove(key)));
	}

	async get(key: string): Promise<WireChain | undefined> {
		return await this.#orNone({ op: 'chain_get', ...this.#place, key }, 'safe', 'getJobScheduler') as WireChain | undefined;
	}

	async count(): Promise<number> {
		return (await this.#page('asc', 0, 0)).total;
	}

	/** Those at the places from `start` to `end` by next time; a negative place counts from the end, as Redis counts. */
	async range(start: number, end: number, asc: boolean): Promise<WireChain[]> {
		const total = start < 0 || end < -1 ? await this.count() : 0;
		const from = start < 0 ? Math.max(0, total + start) : start, to = end < -1 ? total + end : end;
		const chains: WireChain[] = [];
		for (;;) {
			const at = from + chains.length;
			if (to !== -1 && at > to)
				return chains;
			const page = await this.#page(asc ? 'asc' : 'desc', at, to === -1 ? at + PAGE - 1 : Math.min(to, at + PAGE - 1));
			chains.push(...page.chains);
			if (page.chains.length < PAGE)
				return chains;
		}
	}

	async #page(order: 'asc' | 'desc', from: number, to: number): Promise<{ chains: WireChain[]; total: number }> {
		const page = await this.#orNone({ op: 'chains', ...this.#place, order, from, to, limit: PAGE }, 'safe', 'getJobSchedulers');
		return (page ?? { chains: [], total: 0 }) as unknown as { chains: WireChain[]; total: number };
	}

	async #do(operation: Operation, command: string): Promise<Result> {
		try {
			return await this.#coalescer.add(operation);
		} catch (error) {
			throw refusalOf(error, { command });
		}
	}

	async #orNone(op: object, kind: 'once' | 'safe', command: string): Promise<Result | undefined> {
		try {
			return await this.#coalescer.add({ json: JSON.stringify(op), kind });
		} catch (error) {
			if (error instanceof Refusal && MISSING.has(error.problem.code))
				return undefined;
			throw refusalOf(error, { command });
		}
	}
}

function scheduleOf({ every, pattern, tz, offset, limit, startDate, endDate }: RepeatableOptions): object {
	return {
		...(every ? { every_ms: Number(every) } : { pattern, ...(tz ? { tz } : {}) }),
		...(every && offset ? { offset_ms: Number(offset) } : {}),
		...(limit ? { limit: Number(limit) } : {}),
		...(startDate ? { start_at: new Date(startDate).toISOString() } : {}),
		...(endDate ? { end_at: new Date(endDate).toISOString() } : {}),
	};
}

/** What is of the job made now alone. Where `every` tells, the daemon finds the time; so its id and delay are read from the job itself. */
function iteration(key: string, nextMillis: number | undefined, opts: JobsOptions, name?: string): object {
	const { jobId: _id, delay: _delay, repeat, ...rest } = storedOpts(opts) as JobsOptions & { repeat?: Record<string, unknown> };
	const known = repeat && Object.fromEntries(Object.entries(repeat).filter(([, value]) => value !== null && value !== undefined));
	return {
		...(nextMillis === undefined || !Number.isFinite(nextMillis) ? {} : { next_at: new Date(nextMillis).toISOString() }),
		iteration: {
			opts: { ...rest, ...(known ? { repeat: known } : {}) }, timestamp: Date.now(), repeatJobKey: key, ...(name === undefined || nameFits(name) ? {} : { name }),
		},
	};
}

/** A scheduler as Redis keeps one: a hash of texts. */
export function schedulerFields(chain: WireChain): Record<string, string> {
	const { schedule, job, metadata = {}, payload } = chain;
	const { every_ms: every, pattern, limit, start_at: start, end_at: end } = schedule;
	const tz = schedule.tz ?? metadata.tz, data = JSON.stringify(payload ?? {}), opts = JSON.stringify(metadata.opts ?? {});
	const fields: Record<string, string | number | undefined> = {
		name: metadata.name ?? job.name ?? '', tz, limit, pattern, every, offset: chain.offset_ms, ic: chain.count,
		startDate: start && Date.parse(start), endDate: end && Date.parse(end),
		opts: opts === '{}' ? undefined : opts, data: data === '{}' ? undefined : data,
	};
	return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined).map(([name, value]) => [name, String(value)]));
}

export function nextMillisOf(chain: WireChain): string {
	return String(chain.next_at ? Date.parse(chain.next_at) : 0);
}
