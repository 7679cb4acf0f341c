// The client: the one object that a program makes.
import type { BatchHandler } from './batch.js';
import { Connection, queryText, type RucheOptions } from './connection.js';
import { EventStream, type EventOptions } from './event-stream.js';
import { JobHandle } from './job-handle.js';
import type { JobFilter } from './job.js';
import { Limit, type LimitView } from './limit.js';
import { Operation, type Action, type ActionArguments } from './operation.js';
import type { WorkerView } from './presence.js';
import { Queue, type QueueOptions } from './queue.js';
import type { Schema } from './schema.js';
import type { QueueStats } from './settings.js';
import { enqueueTree, type EnqueuedTree, type NewTree } from './tree.js';
import { Worker, type BatchWorkerOptions, type Handlers, type WorkerOptions } from './worker.js';
import { fromWire, toWire } from './wording.js';

/** The whole house in one answer. */
export interface Stats {
	readonly version: string;
	readonly uptimeMs: number;
	readonly [name: string]: unknown;
}

/** A client of one daemon. Making it asks nothing of the daemon; connections are made when needed and kept. */
export class Ruche {
	readonly #connection: Connection;
	readonly #workers = new Set<Worker<any, any>>();

	/** Throws TypeError when the address is none. */
	constructor(options: RucheOptions = {}) {
		this.#connection = new Connection(options);
	}

	/** Where the daemon is looked for. */
	get url(): string {
		return this.#connection.address.text;
	}

	/** A queue, typed by what its jobs carry and result in: `ruche.queue<Mail, Sent>('mail')`; with a schema its types are the schema's. */
	queue<Payload, Parsed, Result = unknown>(name: string, options: QueueOptions<Payload, Parsed> & { schema: Schema<Payload, Parsed> }): Queue<Payload, Result, Parsed>;
	queue<Payload = unknown, Result = unknown>(name: string, options?: QueueOptions<Payload, Payload>): Queue<Payload, Result>;
	queue(name: string, options: QueueOptions = {}): Queue {
		return new Queue(this.#connection, name, options);
	}

	/**
	 * Works for a queue from now on: `ruche.worker('mail', async (job, { signal, log, progress }) => …, { concurrency: 10 })`. Several names: queues in
	 * the order of their importance. Given a Queue, the handler is typed by it, and its schema checks payloads. With `batch` the handler gets several jobs
	 * of one group at a time: `ruche.worker('crm', async (jobs) => …, { batch: { max: 50 } })`.
	 */
	worker<Payload, Result, Parsed>(queue: Queue<Payload, Result, Parsed>, handler: BatchHandler<Parsed, Result>, options: BatchWorkerOptions<Parsed>): Worker<Parsed, Result>;
	worker<Payload = any, Result = unknown>(queues: string | readonly string[], handler: BatchHandler<Payload, Result>, options: BatchWorkerOptions<Payload>): Worker<Payload, Result>;
	worker<Payload, Result, Parsed>(queue: Queue<Payload, Result, Parsed>, handlers: Handlers<Parsed, Result>, options?: WorkerOptions<Parsed>): Worker<Parsed, Result>;
	worker<Payload = any, Result = unknown>(queues: string | readonly string[], handlers: Handlers<Payload, Result>, options?: WorkerOptions<Payload>): Worker<Payload, Result>;
	worker(queues: string | readonly string[] | Queue<any, any, any>, handlers: Handlers<any, any> | BatchHandler<any, any>, options: WorkerOptions | BatchWorkerOptions = {}): Worker<any, any> {
		const { namespace = this.#connection.namespace } = options;
		const named = (queue: string): { queue: string; namespace: string } => ({ queue, namespace });
		const worker = queues instanceof Queue
			? new Worker(this.#connection, [{ queue: queues.name, namespace: queues.namespace }], handlers, { ...(queues.schema ? { schema: queues.schema } : {}), ...options })
			: new Worker(this.#connection, typeof queues === 'string' ? [named(queues)] : queues.map(named), handlers, options);
		this.#workers.add(worker);
		worker.once('closed', () => this.#workers.delete(worker));
		return worker;
	}

	/**
	 * Adds a job with its children, and theirs, of any queues of a namespace: all or nothing. Each job waits for its children, and reads their results when it
	 * runs (`context.children()`). With ids, a tree that is sent twice is there once.
	 */
	enqueueTree(tree: NewTree, options: { idempotencyKey?: string } = {}): Promise<EnqueuedTree> {
		return enqueueTree(this.#connection, tree, options.idempotencyKey);
	}

	/** A job by its uid. (By its id: `queue.job(id)`.) */
	job<Payload = unknown, Result = unknown>(uid: string): JobHandle<Payload, Result> {
		return new JobHandle(this.#connection, { uid });
	}

	/** All queues with their counts. */
	queues(filter: { namespace?: string } = {}): AsyncGenerator<QueueStats, void, void> {
		return this.#connection.pages('/v1/queues', { ...filter, limit: 100 }, 'queues');
	}

	/** A limit by its name: a budget that queues, groups and permits share. */
	limit(name: string, options: { namespace?: string } = {}): Limit {
		return new Limit(this.#connection, name, options.namespace ?? this.#connection.namespace);
	}

	/** All limits, with what is taken of each. */
	limits(filter: { namespace?: string } = {}): AsyncGenerator<LimitView, void, void> {
		return this.#connection.pages('/v1/limits', { ...filter, limit: 500 }, 'limits');
	}

	/** Who works: those that were heard of within the last minute. */
	async workers(filter: { queue?: string; namespace?: string } = {}): Promise<WorkerView[]> {
		return fromWire<{ workers: WorkerView[] }>(await this.#connection.call('GET', `/v1/workers${queryText(filter)}`)).workers;
	}

	/** What happens anywhere, or where the options say. */
	events(options: EventOptions = {}): EventStream {
		return new EventStream(this.#connection, options);
	}

	/** Does something with every job that matches; goes on in the daemon by itself. The filter must not be empty. */
	async operation(action: Action, filter: JobFilter & { queue?: string; namespace?: string }, args: ActionArguments = {}): Promise<Operation> {
		const { state, ...rest } = filter;
		const states = state === undefined ? {} : { states: Array.isArray(state) ? state : [state] };
		const op = { op: 'operation_start', action, filter: { ...toWire(rest) as object, ...states }, arguments: toWire(args) };
		return new Operation(this.#connection, await this.#connection.operate(op));
	}

	async stats(): Promise<Stats> {
		return fromWire(await this.#connection.call('GET', '/v1/stats'));
	}

	/** Closes the workers (see `Worker.close`), waits for what was begun, and cuts the connections. */
	async close(options: { deadlineMs?: number } = {}): Promise<void> {
		await Promise.all([...this.#workers].map((worker) => worker.close(options)));
		await this.#connection.close();
	}

	[Symbol.asyncDispose](): Promise<void> {
		return this.close();
	}
}
