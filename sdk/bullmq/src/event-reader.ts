// A queue's events, read as BullMQ reads its stream.
import type { Coalescer } from './coalescer.js';
import { RucheError } from './errors.js';
import { queryText, type Link } from './link.js';
import type { Place } from './place.js';
import { entriesOf, placeOf, type Entry } from './stream-entries.js';
import { pause } from './timers.js';
import type { WireEvent } from './wire.js';

const ANSWER_MS = 10_000;
const WAIT_MAX_MS = 300_000;
const EVENTS_MAX = 1_000;
const ABSENT_MS = 50; // between looks for a queue that nobody made yet

interface Page {
	readonly events: readonly WireEvent[];
	readonly cursor: string;
}

export class EventReader {
	readonly #link: Link;
	readonly #coalescer: Coalescer;
	readonly #place: Place;
	readonly #gone = new AbortController();
	/** Where `$` was when it was first asked for: nothing falls between two reads. */
	#from: string | undefined;

	constructor(link: Link, coalescer: Coalescer, place: Place) {
		this.#link = link;
		this.#coalescer = coalescer;
		this.#place = place;
	}

	/** Entries after `id`, or null when none came in time. */
	async read(id: string, waitMs: number, stream: string): Promise<[string, Entry[]][] | null> {
		await this.#link.ready();
		await this.#coalescer.settled();
		try {
			const entries = await this.#read(id, Math.min(waitMs > 0 ? Math.ceil(waitMs) : WAIT_MAX_MS, WAIT_MAX_MS));
			return entries.length ? [[stream, entries]] : null;
		} catch (error) {
			if (this.#gone.signal.aborted)
				return null;
			throw error;
		}
	}

	async #read(id: string, waitMs: number): Promise<Entry[]> {
		if (id === '$' && this.#from === undefined)
			this.#from = (await this.#page(undefined, 0)).cursor;
		const { after, skip } = id === '$' ? { after: this.#from!, skip: 0 } : placeOf(id);
		const page = await this.#page(after, waitMs);
		this.#from = page.cursor;
		const entries: Entry[] = [];
		let previous: string | undefined = after;
		for (const event of page.events) {
			entries.push(...entriesOf(event, previous));
			previous = event.id;
		}
		return entries.slice(skip);
	}

	async #page(after: string | undefined, waitMs: number): Promise<Page> {
		const { namespace, queue } = this.#place;
		try {
			return await this.#link.call<Page>('GET', `/v1/events${queryText({ namespace, queue, after, wait_ms: waitMs, limit: EVENTS_MAX })}`, {
				waits: true, timeoutMs: waitMs + ANSWER_MS, signal: this.#gone.signal,
			});
		} catch (error) {
			if (!(error instanceof RucheError && error.code === 'queue_not_found'))
				throw error;
			await pause(Math.min(ABSENT_MS, waitMs), this.#gone.signal);
			return { events: [], cursor: after ?? '0.0' };
		}
	}

	stop(): void {
		this.#gone.abort();
	}
}
