// The daemon that jobs are moved to.
import { Coalescer, Refusal, type Result } from '../coalescer.js';
import { RucheError, TooOldError } from '../errors.js';
import { Link, queryText } from '../link.js';
import { readConnection } from '../options.js';
import { pathOf, type Place } from '../place.js';
import { QueueMeta } from '../queue-meta.js';
import { Schedulers } from '../schedulers.js';
import type { WireJob, WireQueue } from '../wire.js';
import type { MovedScheduler } from './scheduler.js';

const MARK = 'ruche:migration'; // in the queue's metadata, until everything of it is there and after
const PAGE = 1_000;

/** How far the move of a queue is. */
export interface Mark {
	readonly state: 'moving' | 'moved';
	readonly at: string;
	/** It was paused on the daemon before the move began. */
	readonly paused: boolean;
}

/** Why an operation was refused, in words. */
export type Outcome = { readonly id: string; readonly duplicate: boolean; readonly deduplicated: boolean } | { readonly reason: string };

export class Target {
	readonly #link: Link;
	readonly #coalescer: Coalescer;

	constructor(connection: unknown) {
		this.#link = new Link(readConnection(connection), false);
		this.#coalescer = new Coalescer(this.#link);
	}

	get address(): string {
		return this.#link.address;
	}

	async ready(): Promise<void> {
		await this.#link.ready();
		if (!this.#link.features.has('past'))
			throw new TooOldError(`the daemon at ${this.address} takes no jobs with a past`);
	}

	close(): void {
		this.#link.cut();
	}

	#meta(place: Place): QueueMeta {
		return new QueueMeta(this.#coalescer, place);
	}

	schedulers(place: Place): Schedulers {
		return new Schedulers(this.#coalescer, place);
	}

	queue(place: Place): Promise<(WireQueue & { readonly enqueued?: number }) | undefined> {
		return this.#meta(place).get();
	}

	markOf(queue: WireQueue | undefined): Mark | undefined {
		const text = queue?.settings.metadata?.[MARK];
		return text ? JSON.parse(text) as Mark : undefined;
	}

	/** From here on nothing of the queue runs until it is whole. */
	async begin(place: Place, paused: boolean): Promise<void> {
		await this.#mark(place, { state: 'moving', at: new Date().toISOString(), paused });
		await this.#meta(place).pause(true);
	}

	/** Settings as in Redis; what is not set there stays as it is here. */
	async end(place: Place, meta: Readonly<Record<string, string>>, paused: boolean): Promise<void> {
		const { paused: _paused, version: _version, ...rest } = meta;
		const wanted = Object.fromEntries(Object.entries(rest).filter(([name]) => SETTINGS.has(name)));
		if (Object.keys(wanted).length)
			await this.#meta(place).set(wanted);
		await this.#mark(place, { state: 'moved', at: new Date().toISOString(), paused });
		await this.#meta(place).pause(paused);
	}

	async #mark(place: Place, mark: Mark): Promise<void> {
		await this.#meta(place).set({ [MARK]: JSON.stringify(mark) });
	}

	/** Of these ids those that are there, with when they were made and their names. */
	async existing(place: Place, ids: readonly string[]): Promise<Map<string, { timestamp: number; name: string }>> {
		const found = new Map<string, { timestamp: number; name: string }>();
		for (let at = 0; at < ids.length; at += PAGE) {
			const body = JSON.stringify({ ids: ids.slice(at, at + PAGE), parts: ['payload'] });
			for (const job of await this.#read(place, body))
				if (job)
					found.set(job.id, { timestamp: job.metadata?.timestamp ?? 0, name: job.metadata?.name ?? job.name ?? '' });
		}
		return found;
	}

	async #read(place: Place, body: string): Promise<readonly (WireJob | null)[]> {
		await this.#coalescer.settled();
		try {
			const path = pathOf(place, `/jobs/read${queryText({ namespace: place.namespace })}`);
			return (await this.#link.call<{ jobs: (WireJob | null)[] }>('POST', path, { body })).jobs;
		} catch (error) {
			if (error instanceof RucheError && error.code === 'queue_not_found')
				return [];
			throw error;
		}
	}

	/** Each stands alone. Rejects only when the daemon is not there. */
	send(operations: readonly string[]): Promise<Outcome[]> {
		return Promise.all(operations.map(async (json): Promise<Outcome> => {
			try {
				return outcome(await this.#coalescer.add({ json, kind: 'once' }));
			} catch (error) {
				return { reason: wordsOf(error) };
			}
		}));
	}

	/** Why it was refused; undefined: it is there. */
	async putScheduler(schedulers: Schedulers, { key, next, data, template, repeat, iteration }: MovedScheduler): Promise<string | undefined> {
		try {
			await schedulers.put(key, repeat.pattern ? next : undefined, data, template, repeat, iteration);
			return undefined;
		} catch (error) {
			return wordsOf(error);
		}
	}

	/** All or none. */
	async sendTogether(operations: readonly string[]): Promise<Outcome> {
		try {
			const [first] = await this.#coalescer.addAtomic(operations);
			return outcome(first!);
		} catch (error) {
			return { reason: wordsOf(error) };
		}
	}
}

const SETTINGS: ReadonlySet<string> = new Set(['concurrency', 'max', 'duration', 'opts.maxLenEvents']);

function outcome(result: Result): Outcome {
	return { id: String(result['id']), duplicate: Boolean(result['duplicate']), deduplicated: Boolean(result['deduplicated']) };
}

/** What was refused, and why. What else goes wrong ends the move. */
function wordsOf(error: unknown): string {
	if (error instanceof Refusal)
		return `refused: ${error.problem.field ? `${error.problem.field}: ` : ''}${error.message} (${error.problem.code})`;
	if (error instanceof RucheError && error.status >= 400 && error.status < 500 && error.status !== 401 && error.status !== 403)
		return `refused: ${error.message}`;
	if (typeof (error as { code?: unknown }).code === 'number') // in BullMQ's own words
		return `refused: ${(error as Error).message}`;
	throw error;
}
