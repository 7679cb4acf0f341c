// BullMQ's queue metadata as queue settings: what steers the queue is a setting, all else is kept verbatim.
import type { Coalescer, Result } from './coalescer.js';
import type { Place } from './place.js';
import { refusalOfQueue } from './refusals.js';
import type { WireQueue } from './wire.js';

const EVENTS = 'opts.maxLenEvents';
const STEERING: ReadonlySet<string> = new Set(['concurrency', 'max', 'duration', EVENTS]);

export class QueueMeta {
	readonly #coalescer: Coalescer;
	readonly #place: Place;

	constructor(coalescer: Coalescer, place: Place) {
		this.#coalescer = coalescer;
		this.#place = place;
	}

	/** The queue as it is, or undefined when there is none. */
	async get(more: object = {}): Promise<WireQueue | undefined> {
		return await this.#orNone({ op: 'queue_get', ...this.#place, ...more }) as unknown as WireQueue | undefined;
	}

	async pause(paused: boolean): Promise<void> {
		const op = { op: paused ? 'queue_pause' : 'queue_resume', ...this.#place };
		if (await this.#orNone(op))
			return;
		await this.#put({}); // nobody made it yet
		await this.#do(op);
	}

	/** Nothing starts before so long has passed; 0: open again. */
	async backOff(ms: number): Promise<void> {
		const op = { op: 'back_off', ...this.#place, delay_ms: ms };
		if (await this.#orNone(op) || !ms)
			return;
		await this.#put({}); // nobody made it yet
		await this.#do(op);
	}

	async all(): Promise<Record<string, string>> {
		const queue = await this.get();
		if (!queue)
			return {};
		const { concurrency, rate, events_max: eventsMax, metadata } = queue.settings;
		return {
			...metadata,
			...(concurrency ? { concurrency: String(concurrency) } : {}),
			...(rate?.max ? { max: String(rate.max), duration: String(rate.per_ms) } : {}),
			...(eventsMax ? { [EVENTS]: String(eventsMax) } : {}),
			...(queue.paused ? { paused: '1' } : {}),
		};
	}

	/** Answers how many fields there were. */
	async set(values: Readonly<Record<string, string | number>>): Promise<number> {
		const { max, duration, concurrency, [EVENTS]: eventsMax } = values;
		const metadata: Record<string, string> = {};
		for (const [field, value] of Object.entries(values))
			if (!STEERING.has(field))
				metadata[field] = String(value);
		await this.#put({
			...(concurrency === undefined ? {} : { concurrency: Number(concurrency) }),
			...(max === undefined || duration === undefined ? {} : { rate: { max: Number(max), per_ms: Number(duration) } }),
			...(eventsMax === undefined ? {} : { events_max: Number(eventsMax) }),
			...(Object.keys(metadata).length ? { metadata } : {}),
		});
		return Object.keys(values).length;
	}

	/** Answers how many of them were there. */
	async remove(fields: readonly string[]): Promise<number> {
		const before = await this.all();
		const there = fields.filter((field) => field in before);
		if (!there.length)
			return 0;
		const metadata = Object.fromEntries(there.filter((field) => !STEERING.has(field)).map((field) => [field, null]));
		await this.#put({
			...(there.includes('concurrency') ? { concurrency: 0 } : {}),
			...(there.includes('max') || there.includes('duration') ? { rate: null } : {}),
			...(Object.keys(metadata).length ? { metadata } : {}),
		});
		return there.length;
	}

	/** How many minutes back it is known how many jobs ended in each. */
	async countByMinute(minutes: number): Promise<void> {
		await this.#put({ metric_minutes: minutes });
	}

	/** The queue is there from now on, with nothing said about it. */
	async make(): Promise<void> {
		await this.#put({});
	}

	async #put(settings: object): Promise<void> {
		await this.#do({ op: 'queue_put', ...this.#place, settings: { compat: 'bullmq', ...settings } });
	}

	async #do(op: object): Promise<Result> {
		try {
			return await this.#coalescer.add({ json: JSON.stringify(op), kind: 'safe' });
		} catch (error) {
			throw refusalOfQueue(error);
		}
	}

	async #orNone(op: object): Promise<Result | undefined> {
		try {
			return await this.#do(op);
		} catch (error) {
			if ((error as { code?: unknown }).code === 'queue_not_found')
				return undefined;
			throw error;
		}
	}
}
