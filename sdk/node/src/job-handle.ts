// One job, by its uid or by its id within a queue: to look at it, wait for it, change it.
import type { Connection } from './connection.js';
import { queryText } from './connection.js';
import { JobEndedError, TimedOutError } from './errors.js';
import type { Attempt, Child, ChildState, Explanation, JobState, JobView } from './job.js';
import { fromWire, toWire } from './wording.js';

const WAIT_MS = 60_000; // of one request that waits

/** Names a job: its uid, or its id with the queue and the namespace. */
export type JobName = { readonly uid: string } | { readonly queue: string; readonly namespace: string; readonly id: string };

/** What a change made of a job. */
export interface JobChanged {
	readonly uid: string;
	readonly state: JobState;
	/** With `tree`, `deleteChildren` and `detach`: how many. */
	readonly count?: number;
}

/** How long to wait, and what ends the wait early. */
export interface WaitOptions {
	/** Longest wait in milliseconds; without it there is none. */
	timeoutMs?: number;
	signal?: AbortSignal;
}

const FINAL: ReadonlySet<string> = new Set(['completed', 'failed', 'cancelled', 'expired']);

/** A job to act on. Making one asks nothing of the daemon; every method does, and throws NotFoundError when there is no such job. */
export class JobHandle<Payload = unknown, Result = unknown> {
	readonly #connection: Connection;
	readonly #name: JobName;

	/** @internal */
	constructor(connection: Connection, name: JobName) {
		this.#connection = connection;
		this.#name = name;
	}

	/** The job as it is now; with its payload and its result unless told otherwise. */
	async get(options: { payload?: boolean; result?: boolean } = {}): Promise<JobView<Payload, Result>> {
		const { payload = true, result = true } = options;
		return fromWire(await this.#connection.call('GET', this.#path({ payload, result })));
	}

	/** Waits until the job has ended, however it ended. Throws TimedOutError. */
	async ended(options: WaitOptions = {}): Promise<JobView<Payload, Result>> {
		const until = options.timeoutMs === undefined ? Infinity : performance.now() + options.timeoutMs;
		for (;;) {
			const waitMs = Math.max(0, Math.min(WAIT_MS, Math.ceil(until - performance.now())));
			const wire = await this.#connection.call<{ state: string }>('GET', this.#path({ wait_ms: waitMs, payload: true, result: true }), {
				waits: true, timeoutMs: waitMs + this.#connection.timeoutMs, ...(options.signal ? { signal: options.signal } : {}),
			});
			const job = fromWire<JobView<Payload, Result>>(wire);
			if (FINAL.has(job.state))
				return job;
			if (performance.now() >= until)
				throw new TimedOutError(`job '${job.id}' of queue '${job.queue}' has not ended within ${options.timeoutMs} ms: it is ${job.state}`);
		}
	}

	/** Waits for the job's result. Throws JobEndedError when it ended without one, and TimedOutError. */
	async result(options: WaitOptions = {}): Promise<Result> {
		const job = await this.ended(options);
		if (job.state !== 'completed')
			throw new JobEndedError(job);
		return job.result as Result;
	}

	/** Why is it not running? */
	async explain(): Promise<Explanation> {
		return fromWire(await this.#connection.call('GET', `/v1/jobs/${await this.#uid()}/explain`));
	}

	/** What was tried, oldest first. */
	async* attempts(): AsyncGenerator<Attempt, void, void> {
		yield* this.#connection.pages<Attempt>(`/v1/jobs/${await this.#uid()}/attempts`, {}, 'attempts');
	}

	/** What its handlers logged, oldest first. */
	async* logs(): AsyncGenerator<{ readonly at: string; readonly line: string; readonly attempt: number }, void, void> {
		yield* this.#connection.pages(`/v1/jobs/${await this.#uid()}/logs`, {}, 'logs');
	}

	/** Its children, what became of them, and their results. */
	async* children<ChildResult = unknown>(options: { state?: ChildState | ChildState[] } = {}): AsyncGenerator<Child<ChildResult>, void, void> {
		yield* this.#connection.pages<Child<ChildResult>>(`/v1/jobs/${await this.#uid()}/children`, { ...options, limit: 500 }, 'children');
	}

	/** Cancels it; a running one is asked to stop. Throws ConflictError when it has ended. With `tree`, it and all below it that have not ended. */
	cancel(reason?: string, options: { tree?: boolean } = {}): Promise<JobChanged> {
		return this.#change({ op: 'cancel', ...(reason === undefined ? {} : { reason }), ...options });
	}

	/**
	 * Runs a job that has ended again, its attempts counted from zero; with another payload if one is given. With `tree`, all below it that have ended without
	 * completing run again too, and those above wait for them.
	 */
	retry(options: { payload?: Payload; delayMs?: number; tree?: boolean } = {}): Promise<JobChanged> {
		const { payload, delayMs, tree } = options;
		return this.#change({
			op: 'retry', ...(payload === undefined ? {} : { payload }), ...(delayMs === undefined ? {} : { delay_ms: delayMs }), ...(tree ? { tree } : {}),
		});
	}

	/** A delayed job runs now. */
	promote(): Promise<JobChanged> {
		return this.#change({ op: 'promote' });
	}

	/** 0 runs first, up to 2,097,151. Of a waiting or delayed job. With `lifo`: first in line of that priority instead of last. */
	reprioritise(priority: number, options: { lifo?: boolean } = {}): Promise<JobChanged> {
		return this.#change({ op: 'reprioritise', priority, ...options });
	}

	/** Due so many milliseconds from now, or at an instant of the wall clock. Of a delayed job. */
	reschedule(when: { delayMs: number } | { runAt: Date | string }): Promise<JobChanged> {
		return this.#change({ op: 'reschedule', ...toWire(when) as object });
	}

	/** Another payload from now on, whatever its state; the first one is kept beside it. */
	edit(payload: Payload): Promise<JobChanged> {
		return this.#change({ op: 'edit', payload: payload ?? null });
	}

	/** Into another queue, of the same namespace unless told otherwise. Its id stays that of the first queue. */
	async move(queue: string, options: { namespace?: string; delayMs?: number } = {}): Promise<JobChanged> {
		const namespace = options.namespace ?? ('namespace' in this.#name ? this.#name.namespace : this.#connection.namespace);
		const delay = options.delayMs === undefined ? {} : { delay_ms: options.delayMs };
		return this.#connection.operate({ op: 'move', uid: await this.#uid(), queue, namespace, ...delay });
	}

	/** Deletes it with all that is kept of it, and with all below it if told so. Throws ConflictError while one of them runs. */
	async delete(options: { children?: 'keep' | 'delete' } = {}): Promise<void> {
		await this.#change({ op: 'delete', ...options });
	}

	/** Deletes the children that it waits for and that have not begun, with theirs. Answers how many went. */
	async deleteChildren(): Promise<number> {
		return (await this.#change({ op: 'children_delete' })).count ?? 0;
	}

	/** That parent does not wait for it any more. Answers whether it did. */
	async detach(parent: { readonly uid: string }): Promise<boolean> {
		return Boolean((await this.#change({ op: 'detach', parent: parent.uid })).count);
	}

	#change(op: object): Promise<JobChanged> {
		return this.#connection.operate({ ...op, ...this.#name });
	}

	#path(query: Record<string, unknown>): string {
		const name = this.#name;
		if ('uid' in name)
			return `/v1/jobs/${name.uid}${queryText(query)}`;
		return `/v1/queues/${encodeURIComponent(name.queue)}/jobs/${encodeURIComponent(name.id)}${queryText({ ...query, namespace: name.namespace })}`;
	}

	async #uid(): Promise<string> {
		return 'uid' in this.#name ? this.#name.uid : (await this.#connection.call<{ uid: string }>('GET', this.#path({}))).uid;
	}
}

/** A job that was just enqueued. */
export class EnqueuedJob<Payload = unknown, Result = unknown> extends JobHandle<Payload, Result> {
	readonly uid: string;
	readonly id: string;
	readonly queue: string;
	/** The state at that moment; null: of an owner that was deleted since. */
	readonly state: JobState | null;
	/** The id, or the dedup key, was there: this is the first job, nothing was added. */
	readonly duplicate: boolean;
	/** This is the owner of the dedup key. */
	readonly deduplicated: boolean;

	/** @internal */
	constructor(connection: Connection, queue: string, wire: { uid: string; id: string; state: JobState | null; duplicate: boolean; deduplicated?: boolean }) {
		super(connection, { uid: wire.uid });
		this.uid = wire.uid;
		this.id = wire.id;
		this.queue = queue;
		this.state = wire.state;
		this.duplicate = wire.duplicate;
		this.deduplicated = wire.deduplicated === true;
	}
}

