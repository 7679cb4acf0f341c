// What happens, as it happens: the daemon's server-sent events as an async iterator that survives lost connections without losing or repeating events.
import type { Connection } from './connection.js';
import { queryText } from './connection.js';
import { Backoff } from './delay.js';
import { ProblemError } from './errors.js';
import { SseParser } from './sse-parser.js';
import { pause } from './timers.js';
import { fromWire } from './wording.js';

export type EventType = 'enqueued' | 'duplicate' | 'active' | 'completed' | 'failed' | 'retrying' | 'stalled' | 'released' | 'snoozed' | 'cancel_requested'
	| 'cancelled' | 'superseded' | 'expired' | 'retried' | 'promoted' | 'reprioritised' | 'deduplicated' | 'rescheduled' | 'moved' | 'deleted' | 'waiting'
	| 'waiting_children' | 'progress' | 'queue_paused' | 'queue_resumed' | 'queue_changed' | 'backed_off' | 'chain_changed' | 'custom' | 'drained'
	| 'message' | 'endpoint_changed' | 'endpoint_failing' | 'endpoint_disabled' | 'endpoint_recovered';

/** One thing that happened. `gap`: events after the cursor are gone, so read the state anew. Further members depend on the type. */
export interface RucheEvent {
	/** Opaque: give it back as `after` to go on behind this event. */
	readonly id: string;
	readonly type: EventType | 'gap';
	/** null: about a queue, not a job. Absent: a gap. */
	readonly uid?: string | null;
	readonly queue?: string | null;
	readonly namespace?: string | null;
	/** RFC 3339 in UTC. */
	readonly at?: string;
	readonly [name: string]: unknown;
}

/** Which events. */
export interface EventOptions {
	queue?: string;
	namespace?: string;
	types?: EventType[];
	/** The id of the last event seen; `0.0`: all that are kept. Default: from now on. */
	after?: string;
	/** Ends the iteration. */
	signal?: AbortSignal;
}

const EVER = '0'; // all that are kept, without telling a gap
const NOT_YET_MS = 200;
const SILENCE_MS = 45_000; // the daemon sends a comment every 15 s

/**
 * `for await (const event of queue.events()) …`. Ends by `break`, `close()` or the signal. A lost connection is made again for as long as it takes,
 * after the last event seen; only a refusal of the daemon throws (ProblemError).
 */
export class EventStream implements AsyncIterable<RucheEvent> {
	readonly #connection: Connection;
	readonly #options: EventOptions;
	readonly #stop = new AbortController();
	#cursor: string | undefined;
	#started: Promise<void> | undefined;

	/** @internal */
	constructor(connection: Connection, options: EventOptions) {
		this.#connection = connection;
		this.#options = options;
		this.#cursor = options.after;
		if (options.signal?.aborted)
			this.#stop.abort();
		options.signal?.addEventListener('abort', () => this.#stop.abort(), { once: true });
	}

	/** The id of the last event that was handed out. */
	get cursor(): string | undefined {
		return this.#cursor;
	}

	/** Resolves when nothing that happens from now on is missed. Iterating does the same by itself. */
	ready(): Promise<void> {
		return this.#started ??= this.#start();
	}

	close(): void {
		this.#stop.abort();
	}

	async* [Symbol.asyncIterator](): AsyncGenerator<RucheEvent, void, void> {
		const backoff = new Backoff(100, 5_000);
		try {
			await this.ready();
			while (!this.#stop.signal.aborted) {
				let pauseMs: number | undefined;
				try {
					for await (const event of this.#read()) {
						backoff.reset();
						yield event;
					}
				} catch (error) {
					if (this.#stop.signal.aborted)
						return;
					if (notYet(error))
						pauseMs = NOT_YET_MS;
					else if (error instanceof ProblemError && error.status < 500 && error.status !== 429)
						throw error;
				}
				await pause(pauseMs ?? backoff.next(), this.#stop.signal);
			}
		} finally {
			this.close();
		}
	}

	/** A stream that begins "now" asks where now is, so that a connection lost before the first event is resumed from there. */
	async #start(): Promise<void> {
		if (this.#cursor !== undefined)
			return;
		try {
			const query = queryText({ ...this.#where, wait_ms: 0, limit: 1 });
			this.#cursor = (await this.#connection.call<{ cursor: string }>('GET', `/v1/events${query}`)).cursor;
		} catch (error) {
			if (!notYet(error))
				throw error;
			this.#cursor = EVER;
		}
	}

	get #where(): Record<string, unknown> {
		const { queue, namespace, types } = this.#options;
		return { queue, namespace, types };
	}

	async* #read(): AsyncGenerator<RucheEvent, void, void> {
		const body = await this.#connection.stream(`/v1/events${queryText({ ...this.#where, after: this.#cursor })}`, 10_000, this.#stop.signal);
		const stop = (): void => void body.destroy();
		const silence = setTimeout(stop, SILENCE_MS);
		this.#stop.signal.addEventListener('abort', stop, { once: true });
		try {
			const parser = new SseParser();
			for await (const chunk of body.setEncoding('utf8')) {
				silence.refresh();
				for (const { id, event, data } of parser.push(chunk as string)) {
					this.#cursor = id;
					yield { ...fromWire<object>(JSON.parse(data)), id, type: event as RucheEvent['type'] };
				}
			}
		} finally {
			clearTimeout(silence);
			this.#stop.signal.removeEventListener('abort', stop);
			body.destroy();
		}
	}
}

/** The queue is made by its first job: until then nothing happened in it. */
function notYet(error: unknown): boolean {
	return error instanceof ProblemError && error.code === 'queue_not_found';
}
