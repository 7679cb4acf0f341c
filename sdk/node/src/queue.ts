// A queue as its producers and operators see it.
import { Chains } from './chain.js';
import type { Connection } from './connection.js';
import { queryText } from './connection.js';
import { DedupKey } from './dedup.js';
import { unlessAborted } from './delay.js';
import { PartlyRefusedError, problemError, type Problem } from './errors.js';
import { EventStream, type EventOptions } from './event-stream.js';
import { Group, type GroupView } from './group.js';
import type { EnqueueOptions, JobFilter, JobView, NewJob, Parent } from './job.js';
import { EnqueuedJob, JobHandle } from './job-handle.js';
import { validated, type Schema } from './schema.js';
import { requestKey } from './request-key.js';
import type { QueueMetrics, QueueSettings, QueueStats } from './settings.js';
import { currentTrace, producing, spans, type Trace } from './trace.js';
import { fromWire, memberText, toWire } from './wording.js';

/** How this program uses a queue. */
export interface QueueOptions<Payload = any, Parsed = any> {
	/** Default: the client's. */
	namespace?: string;
	/** Any Standard Schema (zod, valibot, arktype, …). `enqueue` checks payloads by it and sends them as given; the worker's handler gets what it makes of them. */
	schema?: Schema<Payload, Parsed>;
	/** For every job that says nothing else. */
	defaults?: Omit<EnqueueOptions, 'id' | 'trace' | 'runAt'>;
}

/** What concerns one call of `enqueue`. */
export interface CallOptions {
	/** The same key on each repeat makes one job; kept for a day. The SDK repeats by itself with a key of its own: this is for programs that repeat. */
	idempotencyKey?: string;
	/** Stops waiting for the answer; the job may have been made. */
	signal?: AbortSignal;
}

type Enqueued = ConstructorParameters<typeof EnqueuedJob>[2];

/** A queue. Making one asks nothing of the daemon: the queue itself is made by its first job. `Parsed`: what handlers get, with a schema. */
export class Queue<Payload = unknown, Result = unknown, Parsed = Payload> {
	readonly name: string;
	readonly namespace: string;
	readonly schema: Schema<Payload, Parsed> | undefined;
	readonly #connection: Connection;
	readonly #defaults: EnqueueOptions;
	readonly #hasDefaults: boolean;
	/** Where its jobs go, as JSON. */
	readonly #place: string;
	/** Members of a job that do not come from its options as they are. */
	readonly #told: ReadonlySet<string>;
	/** Only for the compiler: what jobs of this queue result in. */
	declare readonly '~result'?: Result;

	/** @internal */
	constructor(connection: Connection, name: string, options: QueueOptions<Payload, Parsed> = {}) {
		this.name = name;
		this.namespace = options.namespace ?? connection.namespace;
		this.schema = options.schema;
		this.#connection = connection;
		this.#defaults = options.defaults ?? {};
		this.#hasDefaults = Object.keys(this.#defaults).length > 0;
		this.#place = `"queue":${JSON.stringify(name)}${this.namespace === 'default' ? '' : `,"namespace":${JSON.stringify(this.namespace)}`}`;
		this.#told = new Set(['payload', 'trace', 'parents', 'queue', ...(this.namespace === 'default' ? [] : ['namespace'])]);
	}

	/**
	 * Adds a job: resolves when it is on disk. Calls of one tick leave in one request, and a repeat after a lost connection makes no second job.
	 * Throws InvalidPayloadError, InvalidFieldError, AccessError, BusyError, UnreachableError (within 2 s unless `patienceMs` says otherwise).
	 */
	enqueue(payload: Payload, options: EnqueueOptions & CallOptions = {}): Promise<EnqueuedJob<Payload, Result>> {
		// One promise for each job and no more: programs add them by the thousand. What is thrown in here rejects it.
		return new Promise((resolve, reject) => {
			if (this.schema || options.idempotencyKey !== undefined || options.signal !== undefined || spans()) {
				resolve(this.#enqueueWith(payload, options));
				return;
			}
			this.#connection.check();
			const json = `{"op":"enqueue",${this.#jobText(payload, options, currentTrace())}`;
			this.#connection.batcher.push(json, (made) => resolve(new EnqueuedJob(this.#connection, this.name, made as Enqueued)), reject);
		});
	}

	/** The same with all that may be asked for besides. */
	async #enqueueWith(payload: Payload, options: EnqueueOptions & CallOptions): Promise<EnqueuedJob<Payload, Result>> {
		const { idempotencyKey, signal, ...own } = options;
		signal?.throwIfAborted();
		this.#connection.check();
		if (this.schema)
			await validated(this.schema, payload, this.name);
		const made = await producing(this.name, (trace) => {
			const text = this.#jobText(payload, own, trace);
			const sent = idempotencyKey === undefined
				? this.#connection.operateText<Enqueued>(`{"op":"enqueue",${text}`)
				: this.#connection.call<Enqueued>('POST', '/v1/jobs', { json: `{${text}`, idempotencyKey });
			return unlessAborted(sent, signal);
		});
		return new EnqueuedJob(this.#connection, this.name, made);
	}

	/**
	 * Adds many jobs (at most 20,000) in one request. With `atomic`, all or none: throws the first refusal, whose `field` says which job. Otherwise each
	 * stands alone, and PartlyRefusedError tells what became of each when some were refused.
	 */
	async enqueueMany(jobs: readonly NewJob<Payload>[], options: { atomic?: boolean } & CallOptions = {}): Promise<EnqueuedJob<Payload, Result>[]> {
		const { atomic = false, idempotencyKey = requestKey(), signal } = options;
		if (!jobs.length)
			return [];
		if (this.schema)
			await Promise.all(jobs.map((job) => validated(this.schema!, job.payload, this.name)));
		const { results } = await producing(this.name, (trace) => this.#connection.call<{ results: (Enqueued & { problem?: Problem })[] }>('POST', '/v1/jobs', {
			json: `{"jobs":[${jobs.map((job) => `{${this.#jobText(job.payload, job, trace)}`).join(',')}],"atomic":${JSON.stringify(atomic)}}`,
			idempotencyKey, ...(signal ? { signal } : {}),
		}));
		const made = results.map((result) => result.problem ? problemError(result.problem) : new EnqueuedJob<Payload, Result>(this.#connection, this.name, result));
		if (made.some((one) => one instanceof Error))
			throw new PartlyRefusedError(made as never);
		return made as EnqueuedJob<Payload, Result>[];
	}

	/** A job by its id (the caller's, or the uid when it had none). */
	job(id: string): JobHandle<Payload, Result> {
		return new JobHandle(this.#connection, { queue: this.name, namespace: this.namespace, id });
	}

	/** A job as it is now, with payload and result. Throws NotFoundError. */
	get(id: string): Promise<JobView<Payload, Result>> {
		return this.job(id).get();
	}

	/** Jobs that match, page after page as they are read. */
	jobs(filter: JobFilter = {}): AsyncGenerator<JobView<Payload, Result>, void, void> {
		return this.#connection.pages('/v1/jobs', { ...this.#where, ...filter, limit: 500 }, 'jobs');
	}

	/** How many jobs match. */
	async count(filter: JobFilter = {}): Promise<number> {
		return (await this.#connection.call<{ count: number }>('GET', `/v1/jobs/count${queryText({ ...this.#where, ...filter })}`)).count;
	}

	/** Counts, rates, percentiles, settings. Throws NotFoundError when there is no such queue yet. */
	async stats(): Promise<QueueStats> {
		return fromWire(await this.#connection.call('GET', this.#path('/stats')));
	}

	/** Changes what is said and leaves the rest; makes the queue if there is none. */
	async configure(settings: QueueSettings): Promise<QueueStats> {
		return fromWire(await this.#connection.call('PATCH', this.#path(''), { body: toWire(settings) }));
	}

	/** Starts no more jobs; those that run go on. */
	async pause(): Promise<void> {
		await this.#connection.operate({ op: 'queue_pause', queue: this.name, namespace: this.namespace });
	}

	async resume(): Promise<void> {
		await this.#connection.operate({ op: 'queue_resume', queue: this.name, namespace: this.namespace });
	}

	/** Starts nothing for `ms` milliseconds; what runs goes on. A longer pause is never shortened; 0 ends it. */
	async backOff(ms: number): Promise<void> {
		await this.#connection.operate({ op: 'back_off', ...this.#where, delay_ms: ms });
	}

	/**
	 * Makes a queue without jobs as it was when it was made: settings, metadata, pause, groups' settings, dedup keys, chains, counted ids, counts by the minute
	 * and events go; whoever waits there goes on waiting. Throws ConflictError while it has jobs.
	 */
	async reset(): Promise<void> {
		while ((await this.#connection.operate<{ more: boolean }>({ op: 'queue_reset', ...this.#where })).more);
	}

	/** Deletes an empty queue with its settings. Throws ConflictError while it has jobs. */
	async delete(): Promise<void> {
		await this.#connection.operate({ op: 'queue_delete', queue: this.name, namespace: this.namespace });
	}

	/** Groups that have jobs, settings or a pause. */
	groups(): AsyncGenerator<GroupView, void, void> {
		return this.#connection.pages(`/v1/queues/${encodeURIComponent(this.name)}/groups`, { namespace: this.namespace, limit: 500 }, 'groups');
	}

	/** A group by its key. */
	group(key: string): Group {
		return new Group(this.#connection, this.#where, key);
	}

	/** A dedup key: who owns it, and to free it. */
	dedup(key: string): DedupKey {
		return new DedupKey(this.#connection, this.#where, key);
	}

	/** Jobs that repeat. */
	get chains(): Chains<Payload> {
		return new Chains(this.#connection, this.#where, this.schema);
	}

	/** Tells whoever reads events of something in your own word: an event of type `custom` with `event`, your word, and `details`, at most 16 KiB. */
	async publish(name: string, details: object = {}): Promise<void> {
		await this.#connection.operate({ op: 'event', ...this.#where, name, details });
	}

	/** Forgets the oldest events; about `keep` of the newest stay. */
	async trimEvents(keep: number): Promise<void> {
		while ((await this.#connection.operate<{ more: boolean }>({ op: 'events_trim', ...this.#where, keep })).more);
	}

	/** How many jobs completed and failed, ever and by the minute, the newest first. */
	async metrics(): Promise<QueueMetrics> {
		return fromWire(await this.#connection.call('GET', this.#path('/metrics')));
	}

	/** What happens in this queue, from now on or from `after` on; goes on by itself after a lost connection. */
	events(options: Omit<EventOptions, 'queue' | 'namespace'> = {}): EventStream {
		return new EventStream(this.#connection, { ...options, queue: this.name, namespace: this.namespace });
	}

	get #where(): { queue: string; namespace: string } {
		return { queue: this.name, namespace: this.namespace };
	}

	#path(rest: string): string {
		return `/v1/queues/${encodeURIComponent(this.name)}${rest}${queryText({ namespace: this.namespace })}`;
	}

	/** A job as JSON, without the first brace. */
	#jobText(payload: Payload, options: EnqueueOptions, found: Trace | undefined): string {
		const said: EnqueueOptions = this.#hasDefaults ? { ...this.#defaults, ...options } : options;
		const { trace = this.#connection.trace?.() ?? found } = options;
		const content = payload === undefined ? undefined : JSON.stringify(payload) as string | undefined; // a function has none
		let text = this.#place;
		for (const name of Object.keys(said))
			if (!this.#told.has(name))
				text += memberText(name, said[name as keyof EnqueueOptions]);
		if (said.parents)
			text += memberText('parents', this.#parents(said.parents));
		if (trace)
			text += `,"trace":${JSON.stringify(trace)}`;
		return content === undefined ? `${text}}` : `${text},"payload":${content}}`;
	}

	/** Those that are named by their ids are of our namespace, unless they say another. */
	#parents(parents: readonly Parent[]): readonly Parent[] {
		if (this.namespace === 'default')
			return parents;
		return parents.map((parent) => ({ ...('queue' in parent ? { namespace: this.namespace } : {}), ...parent }));
	}
}
