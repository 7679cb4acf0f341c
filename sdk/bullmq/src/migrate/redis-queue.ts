// A queue of BullMQ's in Redis, to be read. Only `remove` writes, and only what was moved.
import type { Redis } from 'ioredis';
import type { Place } from '../place.js';
import { parsed, type PastChild, type State, type StoredJob } from './stored-job.js';

const PAGE = 5_000; // ids of one answer
const LOG_LINES = 10_000, VALUE_BYTES = 256 * 1024; // what the daemon takes
const MARKER = /^0:/; // what older versions put into the list to wake workers

/** Where a job is, in the order in which it would be run. */
export interface Spot {
	readonly id: string;
	readonly state: State;
	readonly score?: number | undefined;
}

/** What was moved, and what goes with it. */
export interface Gone extends Spot {
	/** The deduplication key that it owns. */
	readonly dedup?: string | undefined;
}

export interface Counts {
	waiting: number;
	prioritized: number;
	delayed: number;
	'waiting-children': number;
	completed: number;
	failed: number;
	active: number;
	schedulers: number;
}

/** A scheduler, or a repeatable job of old. */
export interface StoredScheduler {
	readonly key: string;
	readonly next: number;
	readonly fields: Readonly<Record<string, string>>;
}

export interface Finished {
	/** So many of each state. */
	readonly most: number;
	/** Only those that ended since then. */
	readonly since: number;
}

export class RedisQueue {
	readonly #redis: Redis;
	readonly place: Place;

	constructor(redis: Redis, prefix: string, name: string) {
		this.#redis = redis;
		this.place = { namespace: prefix, queue: name };
	}

	get name(): string {
		return this.place.queue;
	}

	key(...parts: readonly string[]): string {
		return [this.place.namespace, this.place.queue, ...parts].join(':');
	}

	async counts(): Promise<Counts> {
		const all = await this.#all((pipeline) => {
			for (const list of ['wait', 'paused', 'active'])
				pipeline.llen(this.key(list));
			for (const set of ['prioritized', 'delayed', 'waiting-children', 'completed', 'failed', 'repeat'])
				pipeline.zcard(this.key(set));
		}) as number[];
		const [wait = 0, paused = 0, active = 0, prioritized = 0, delayed = 0, children = 0, completed = 0, failed = 0, schedulers = 0] = all;
		return { waiting: wait + paused, prioritized, delayed, 'waiting-children': children, completed, failed, active, schedulers };
	}

	meta(): Promise<Record<string, string>> {
		return this.#redis.hgetall(this.key('meta'));
	}

	async lastId(): Promise<number> {
		return Number(await this.#redis.get(this.key('id')) ?? 0);
	}

	/** Names of the workers that hang on this queue; undefined where Redis does not say. */
	async workers(): Promise<string[] | undefined> {
		const own = `${this.place.namespace}:${Buffer.from(this.name).toString('base64')}`;
		let list: string;
		try {
			list = String(await this.#redis.client('LIST'));
		} catch {
			return undefined; // not everybody may ask
		}
		const names = list.split('\n').map((line) => / name=(\S*)/.exec(line)?.[1] ?? '');
		return names.filter((name) => name === own || name.startsWith(`${own}:w:`));
	}

	/** All that is to run, in the order in which it would. */
	async live(): Promise<Spot[]> {
		const prioritized = await this.#sorted('prioritized'), delayed = await this.#sorted('delayed'), waiting = await this.#sorted('waiting-children');
		return [
			...await this.#list('wait'), ...await this.#list('paused'),
			...prioritized.map(([id]) => ({ id, state: 'prioritized' as const })),
			...delayed.map(([id, score]) => ({ id, state: 'delayed' as const, score })),
			...waiting.map(([id, score]) => ({ id, state: 'waiting-children' as const, score })),
		];
	}

	/** From the end that is taken from: lists grow at their head. */
	async #list(name: string): Promise<Spot[]> {
		const spots: Spot[] = [];
		for (let at = -1; ; at -= PAGE) {
			const ids = await this.#redis.lrange(this.key(name), at - PAGE + 1, at);
			for (const id of ids.reverse())
				if (!MARKER.test(id))
					spots.push({ id, state: 'waiting' });
			if (ids.length < PAGE)
				return spots;
		}
	}

	async #sorted(name: string): Promise<[id: string, score: number][]> {
		const found: [string, number][] = [];
		for (let at = 0; ; at += PAGE) {
			const flat = await this.#redis.zrange(this.key(name), at, at + PAGE - 1, 'WITHSCORES');
			for (let i = 0; i < flat.length; i += 2)
				if (!MARKER.test(flat[i]!))
					found.push([flat[i]!, Number(flat[i + 1])]);
			if (flat.length < 2 * PAGE)
				return found;
		}
	}

	/** The newest that ended, oldest first. */
	async finished({ most, since }: Finished): Promise<Spot[]> {
		const spots: Spot[] = [];
		for (const state of ['completed', 'failed'] as const) {
			if (!most)
				continue;
			const newest = Number.isFinite(most) ? ['LIMIT', 0, most] as const : [];
			const from = Number.isFinite(since) ? since : '-inf';
			const flat = await this.#redis.call('ZREVRANGEBYSCORE', this.key(state), '+inf', from, 'WITHSCORES', ...newest) as string[];
			for (let i = 0; i < flat.length; i += 2)
				spots.push({ id: flat[i]!, state, score: Number(flat[i + 1]) });
		}
		return spots.reverse().sort((a, b) => a.score! - b.score!);
	}

	/** Whole jobs, in the order of the spots. */
	async jobs(spots: readonly Spot[]): Promise<StoredJob[]> {
		const all = await this.#all((pipeline) => {
			for (const { id } of spots) {
				pipeline.hgetall(this.key(id));
				pipeline.lrange(this.key(id, 'logs'), -LOG_LINES, -1);
				pipeline.exists(this.key(id, 'processed'), this.key(id, 'failed'), this.key(id, 'unsuccessful'));
			}
		});
		const jobs: StoredJob[] = [];
		for (const [i, spot] of spots.entries()) {
			const [fields, logs, parent] = all.slice(3 * i, 3 * i + 3) as [Record<string, string>, string[], number];
			jobs.push({ ...spot, fields, logs, ...(parent ? { children: await this.#endedChildren(spot.id) } : {}) });
		}
		return this.#withDedup(jobs);
	}

	/** Who owns a deduplication key, and for how long, stands in a key of its own. */
	async #withDedup(jobs: StoredJob[]): Promise<StoredJob[]> {
		const keyed = jobs.filter(({ fields }) => fields['deid']);
		const all = await this.#all((pipeline) => {
			for (const { fields } of keyed) {
				pipeline.get(this.key('de', fields['deid']!));
				pipeline.pttl(this.key('de', fields['deid']!));
			}
		});
		const owned = new Map(keyed.flatMap(({ id }, i) => (all[2 * i] === id ? [[id, Number(all[2 * i + 1])] as const] : [])));
		return jobs.map((job) => (owned.has(job.id) ? { ...job, dedupMs: owned.get(job.id) } : job));
	}

	/** Keys of the children that a job still waits for. */
	pendingChildren(id: string): Promise<string[]> {
		return this.#redis.smembers(this.key(id, 'dependencies'));
	}

	/** A job that has failed, and for which its parent still waits. */
	async failedSpot(id: string): Promise<Spot | undefined> {
		const score = await this.#redis.zscore(this.key('failed'), id);
		return score === null ? undefined : { id, state: 'failed', score: Number(score) };
	}

	/** Which of these jobs their parents wait for: pairs of a parent's key and a child's. */
	async awaited(pairs: readonly (readonly [parent: string, child: string])[]): Promise<boolean[]> {
		const all = await this.#all((pipeline) => {
			for (const [parent, child] of pairs)
				pipeline.sismember(`${parent}:dependencies`, child);
		});
		return all.map((found) => found === 1);
	}

	/** What a parent keeps of children that have ended. */
	async #endedChildren(id: string): Promise<PastChild[]> {
		const [done, ignored, failed] = await this.#all((pipeline) => {
			pipeline.hgetall(this.key(id, 'processed'));
			pipeline.hgetall(this.key(id, 'failed'));
			pipeline.zrange(this.key(id, 'unsuccessful'), 0, -1);
		}) as [Record<string, string>, Record<string, string>, string[]];
		const child = (key: string, state: PastChild['state'], value: unknown): PastChild => ({ ...this.childOf(key), state, value });
		return [
			...Object.entries(done).map(([key, value]) => child(key, 'done', Buffer.byteLength(value) > VALUE_BYTES ? null : parsed(value) ?? value)),
			...Object.entries(ignored).map(([key, reason]) => child(key, 'ignored', { message: reason })),
			...failed.map((key) => child(key, 'failed', { message: '' })),
		];
	}

	/** `prefix:queue:id`; a prefix of one's own may have colons, so this queue's is looked for first. */
	childOf(key: string): Place & { readonly id: string } {
		const { namespace } = this.place;
		const rest = key.startsWith(`${namespace}:`) ? key.slice(namespace.length + 1) : key.slice(key.indexOf(':') + 1);
		const colon = rest.indexOf(':');
		return { namespace: key.slice(0, key.length - rest.length - 1), queue: rest.slice(0, colon), id: rest.slice(colon + 1) };
	}

	async schedulers(): Promise<StoredScheduler[]> {
		const found = await this.#sorted('repeat');
		const all = await this.#all((pipeline) => {
			for (const [key] of found)
				pipeline.hgetall(this.key('repeat', key));
		});
		return found.map(([key, next], i) => ({ key, next, fields: all[i] as Record<string, string> }));
	}

	/** Takes a moved job away. Lists are left in the order in which they were read, so each is found at once. */
	async remove(spots: readonly Gone[]): Promise<void> {
		await this.#all((pipeline) => {
			for (const { id, state, dedup } of spots) {
				if (dedup !== undefined)
					pipeline.unlink(this.key('de', dedup));
				if (state === 'waiting')
					pipeline.lrem(this.key('wait'), -1, id).lrem(this.key('paused'), -1, id);
				else
					pipeline.zrem(this.key(state), id);
				pipeline.unlink(this.key(id), ...['logs', 'dependencies', 'processed', 'failed', 'unsuccessful'].map((part) => this.key(id, part)));
			}
		});
	}

	async removeSchedulers(keys: readonly string[]): Promise<void> {
		await this.#all((pipeline) => {
			for (const key of keys)
				pipeline.zrem(this.key('repeat'), key).unlink(this.key('repeat', key));
		});
	}

	/** Several commands in one go; the first error is thrown. */
	async #all(fill: (pipeline: ReturnType<Redis['pipeline']>) => void): Promise<unknown[]> {
		const pipeline = this.#redis.pipeline();
		fill(pipeline);
		if (!pipeline.length)
			return [];
		return (await pipeline.exec() ?? []).map(([error, value]) => {
			if (error)
				throw error;
			return value;
		});
	}
}

/** The names of all queues under a prefix. */
export async function queueNames(redis: Redis, prefix: string): Promise<string[]> {
	const names = new Set<string>();
	for (let cursor = '0'; ;) {
		const [next, keys] = await redis.scan(cursor, 'MATCH', `${prefix.replace(/[\\*?[\]]/g, '\\$&')}:*:meta`, 'COUNT', 1000);
		for (const key of keys) {
			const name = key.slice(prefix.length + 1, -':meta'.length);
			if (!name.includes(':'))
				names.add(name);
		}
		cursor = next;
		if (cursor === '0')
			return [...names].sort();
	}
}
