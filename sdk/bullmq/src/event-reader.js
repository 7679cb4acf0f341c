import { RucheError } from './errors.js';
import { queryText } from './link.js';
import { entriesOf, placeOf } from './stream-entries.js';
import { pause } from './timers.js';
import { Broken } from './transport.js';
const ANSWER_MS = 10_000;
const WAIT_MAX_MS = 300_000;
const EVENTS_MAX = 1_000;
const ABSENT_MS = 50; // between looks for a queue that nobody made yet
export class EventReader {
    #link;
    #coalescer;
    #place;
    #gone = new AbortController();
    /** Where `$` was when it was first asked for: nothing falls between two reads. */
    #from;
    constructor(link, coalescer, place) {
        this.#link = link;
        this.#coalescer = coalescer;
        this.#place = place;
    }
    /** Entries after `id`, or null when none came in time. */
    async read(id, waitMs, stream) {
        await this.#link.ready();
        await this.#coalescer.settled();
        try {
            const entries = await this.#read(id, Math.min(waitMs > 0 ? Math.ceil(waitMs) : WAIT_MAX_MS, WAIT_MAX_MS));
            return entries.length ? [[stream, entries]] : null;
        }
        catch (error) {
            if (this.#gone.signal.aborted || error instanceof Broken)
                return null;
            throw error;
        }
    }
    async #read(id, waitMs) {
        if (id === '$' && this.#from === undefined)
            this.#from = (await this.#page(undefined, 0)).cursor;
        const { after, skip } = id === '$' ? { after: this.#from, skip: 0 } : placeOf(id);
        const page = await this.#page(after, waitMs);
        this.#from = page.cursor;
        const entries = [];
        let previous = after;
        for (const event of page.events) {
            entries.push(...entriesOf(event, previous));
            previous = event.id;
        }
        return entries.slice(skip);
    }
    async #page(after, waitMs) {
        const { namespace, queue } = this.#place;
        try {
            return await this.#link.call('GET', `/v1/events${queryText({ namespace, queue, after, wait_ms: waitMs, limit: EVENTS_MAX })}`, {
                waits: true, timeoutMs: waitMs + ANSWER_MS, signal: this.#gone.signal,
            });
        }
        catch (error) {
            if (!(error instanceof RucheError && error.code === 'queue_not_found'))
                throw error;
            await pause(Math.min(ABSENT_MS, waitMs), this.#gone.signal);
            return { events: [], cursor: after ?? '0.0' };
        }
    }
    stop() {
        this.#gone.abort();
    }
}
