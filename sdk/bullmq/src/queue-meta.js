// BullMQ's queue metadata as queue settings: what steers the queue is a setting, all else is kept verbatim.
import { Refusal } from './coalescer.js';
import { problemError } from './errors.js';
const EVENTS = 'opts.maxLenEvents';
const STEERING = new Set(['concurrency', 'max', 'duration', EVENTS]);
export class QueueMeta {
    #coalescer;
    #place;
    constructor(coalescer, place) {
        this.#coalescer = coalescer;
        this.#place = place;
    }
    /** The queue as it is, or undefined when there is none. */
    async get(more = {}) {
        return await this.#orNone({ op: 'queue_get', ...this.#place, ...more });
    }
    async pause(paused) {
        const op = { op: paused ? 'queue_pause' : 'queue_resume', ...this.#place };
        if (await this.#orNone(op))
            return;
        await this.#put({}); // nobody made it yet
        await this.#do(op);
    }
    async all() {
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
    async set(values) {
        const { max, duration, concurrency, [EVENTS]: eventsMax } = values;
        const metadata = {};
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
    async remove(fields) {
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
    async #put(settings) {
        await this.#do({ op: 'queue_put', ...this.#place, settings: { compat: 'bullmq', ...settings } });
    }
    async #do(op) {
        try {
            return await this.#coalescer.add({ json: JSON.stringify(op), kind: 'safe' });
        }
        catch (error) {
            throw error instanceof Refusal ? problemError(error.problem) : error;
        }
    }
    async #orNone(op) {
        try {
            return await this.#do(op);
        }
        catch (error) {
            if (error.code === 'queue_not_found')
                return undefined;
            throw error;
        }
    }
}
