// BullMQ's IQueueBackend over the daemon's HTTP API: what each member becomes stands in docs/decisions/2026-11-25-bullmq-and-queue-semantics.md, 3.
import { EventEmitter } from 'node:events';
import { ErrorCode, type IQueueBackend, type JobJson, type JobProgress, type JobsOptions, type JobType, type KeepJobs, type RepeatableOptions } from 'bullmq';
import { CATEGORIES, Children, NodeKeys, placeOf, reasonOf, type Category } from './children.js';
import { Coalescer, Refusal, type Operation, type Result } from './coalescer.js';
import { problemError, TooOldError, UnreachableError, type Saying } from './errors.js';
import { EventReader } from './event-reader.js';
import { Held } from './held.js';
import { enqueueText, grantedJob, keepOf, readJob, stateOf } from './job-json.js';
import { JobReader } from './job-reader.js';
import { limiterOf } from './limiter.js';
import { Link } from './link.js';
import { readConnection } from './options.js';
import { QueueMeta } from './queue-meta.js';
import { Ranges } from './ranges.js';
import { placesOf, refusalOf, refusalOfSeveral } from './refusals.js';
import { Registry } from './registry.js';
import { nextMillisOf, schedulerFields, Schedulers } from './schedulers.js';
import { Sweeps } from './sweeps.js';
import { WorkWait } from './work-wait.js';
import type { WireChild, WireClaim, WireQueue } from './wire.js';

type MinimalJob = Parameters<IQueueBackend['moveToCompleted']>[0];
type ParentKeyOpts = NonNullable<Parameters<IQueueBackend['addJob']>[2]>;
type MoveToDelayedOpts = NonNullable<Parameters<IQueueBackend['moveToDelayed']>[4]>;
type RetryOptions = NonNullable<Parameters<IQueueBackend['retryFinishedJob']>[2]>;
type MoveToWaitingChildrenOpts = NonNullable<Parameters<IQueueBackend['moveToWaitingChildren']>[2]>;
type DependenciesOpts = Parameters<IQueueBackend['getDependencies']>[1];
type FlowEntry = Parameters<IQueueBackend['addFlow']>[0][number];
type Finished = Awaited<ReturnType<IQueueBackend['moveToCompleted']>>;

/** What BullMQ's classes hand to a factory, as far as it is looked at here. */
export interface BackendOptions {
	connection?: unknown;
	prefix?: string;
	name?: string;
	lockDuration?: number;
	limiter?: { max: number; duration: number };
	maxStalledCount?: number;
	stalledInterval?: number;
	metrics?: { maxDataPoints?: number };
	removeOnComplete?: KeepJobs;
	removeOnFail?: KeepJobs;
}

export interface Role {
	blocking?: boolean;
	withBlockingConnection?: boolean;
}

const TOKEN = '\u0000'; // where a claim's token goes: no name holds it
const NEVER = new Promise<never>(() => undefined);
const STALLS_MAX = 65_535;
const BULK_OPS = 20_000, BULK_CHARS = 2_000_000; // one atomic request
const CLOSED = 'Connection is closed.'; // BullMQ's own words for it

export class RucheBackend extends EventEmitter implements IQueueBackend {
	readonly #name: string;
	readonly #prefix: string;
	readonly #opts: BackendOptions;
	readonly #role: Role;
	readonly #owner: RucheBackend;
	readonly #link: Link;
	readonly #coalescer: Coalescer;
	readonly #jobs: JobReader;
	readonly #held = new Held();
	readonly #ranges: Ranges;
	readonly #sweeps: Sweeps;
	readonly #meta: QueueMeta;
	readonly #events: EventReader;
	readonly #work: WorkWait;
	readonly #registry: Registry;
	readonly #schedulers: Schedulers;
	#claimed: { readonly name: string | undefined; readonly before: string; readonly after: string } | undefined;
	readonly #children: Children;
	readonly #nodes: NodeKeys;
	#closing: Promise<void> | undefined;
	#begun: Promise<void> | undefined;
	readonly minimumBlockTimeout = 0.001;
	readonly maximumBlockTimeout = 60;
	readonly keys = {} as IQueueBackend['keys'];

	/** `owner`: the backend whose connection this sibling shares. */
	constructor(name: string, opts: BackendOptions, role: Role = {}, owner?: RucheBackend) {
		super();
		this.setMaxListeners(0);
		this.#name = name;
		this.#prefix = opts.prefix ?? 'bull';
		this.#opts = opts;
		this.#role = role;
		this.#owner = owner ?? this;
		this.#link = owner ? owner.#link : new Link(readConnection(opts.connection), Boolean(role.blocking || role.withBlockingConnection));
		this.#coalescer = owner ? owner.#coalescer : new Coalescer(this.#link);
		const place = { namespace: this.#prefix, queue: name };
		this.#jobs = new JobReader(this.#link, this.#coalescer, this.#prefix, name);
		this.#ranges = new Ranges(this.#link, this.#coalescer, place);
		this.#schedulers = new Schedulers(this.#coalescer, place);
		this.#sweeps = new Sweeps(this.#coalescer, this.#ranges, this.#schedulers, place);
		this.#meta = new QueueMeta(this.#coalescer, place);
		this.#events = new EventReader(this.#link, this.#coalescer, place);
		this.#work = new WorkWait(this.#link, place, limiterOf(opts));
		this.#registry = new Registry(this.#link, place);
		this.#children = new Children(this.#link, this.#coalescer, place);
		this.#nodes = owner ? owner.#nodes : new NodeKeys();
		if (!owner)
			for (const event of ['ready', 'error', 'close'])
				this.#link.on(event, (...args: unknown[]) => this.emit(event, ...args));
	}

	// ---- the connection ----

	async waitUntilReady(): Promise<void> {
		await this.#guard(async () => {
			await this.#link.ready();
			if (this.#owner === this && this.#role.withBlockingConnection)
				await (this.#begun ??= this.#beginWork());
		});
	}

	async #beginWork(): Promise<void> {
		const { name, metrics } = this.#opts;
		await this.#registry.enter('worker', this.clientName(name ? `:w:${name}` : ''));
		if (metrics?.maxDataPoints)
			await this.#meta.countByMinute(metrics.maxDataPoints);
	}

	get closing(): Promise<void> | undefined {
		return this.#owner.#closing;
	}

	async close(force = false): Promise<void> {
		if (this.#owner !== this)
			return;
		this.#closing ??= this.#close(force);
		await this.#closing;
	}

	async #close(force: boolean): Promise<void> {
		this.#link.startClosing();
		this.#work.stop();
		this.#events.stop();
		if (!force && !this.#link.isCut) {
			await this.#coalescer.settled();
			await this.#link.landed();
			await this.#registry.leave();
		}
		this.#link.cut();
		this.emit('close');
	}

	async disconnect(): Promise<void> {
		if (this.#owner !== this)
			return;
		this.#work.stop();
		this.#events.stop();
		await this.#registry.leave();
		this.#link.cut();
	}

	async setName(name: string): Promise<void> {
		await this.#guard(async () => {
			await this.#link.ready();
			await this.#registry.enter('events', name);
		});
	}

	forQueue(queueName: string, prefix?: string): RucheBackend {
		return new RucheBackend(queueName, { ...this.#opts, prefix: prefix ?? this.#prefix }, this.#role, this.#owner);
	}

	/** What is asked after `close` began never settles; after `disconnect` it is refused. */
	async #guard<T>(work: () => Promise<T>): Promise<T> {
		if (this.closing)
			return NEVER;
		if (this.#link.isCut)
			throw new Error(CLOSED);
		try {
			return await work();
		} catch (error) {
			if (this.#link.isCut)
				return NEVER;
			throw error;
		}
	}

	/** One operation, with the others of this tick, guarded; its refusal in BullMQ's words. `take` makes of the answer what is resolved: one promise in all. */
	#do<T = Result>(op: Operation, saying: Saying, take: (result: Result) => T = (result) => result as T): Promise<T> {
		if (this.closing)
			return NEVER;
		if (this.#link.isCut)
			return Promise.reject(new Error(CLOSED));
		return new Promise((resolve, reject) => this.#coalescer.push(op, (result) => resolve(take(result)), (error) => {
			if (!this.#link.isCut)
				reject(refusalOf(error, saying));
		}));
	}

	#once(op: object, saying: Saying): Promise<Result> {
		return this.#do({ json: JSON.stringify(op), kind: 'once' }, saying);
	}

	#safe(op: object, saying: Saying): Promise<Result> {
		return this.#do({ json: JSON.stringify(op), kind: 'safe' }, saying);
	}

	/** Which job: by uid where it is known. */
	#job(id: string): object {
		const uid = this.#held.uid(id);
		return uid ? { uid } : { namespace: this.#prefix, queue: this.#name, id: String(id) };
	}

	get #place(): { namespace: string; queue: string } {
		return { namespace: this.#prefix, queue: this.#name };
	}

	// ---- names ----

	get qualifiedName(): string {
		return `${this.#prefix}:${this.#name}`;
	}

	toKey(type: string): string {
		return `${this.qualifiedName}:${type}`;
	}

	parseNodeKey(key: string): ReturnType<NodeKeys['parse']> {
		return this.#nodes.parse(key);
	}

	clientName(suffix = ''): string {
		return `${this.#prefix}:${Buffer.from(this.#name).toString('base64')}${suffix}`;
	}

	// ---- adding ----

	addJob(job: JobJson, jobId: string, parentKeyOpts: ParentKeyOpts = {}): Promise<string> {
		let json: string;
		try {
			json = enqueueText(this.#prefix, this.#name, job, jobId, parentKeyOpts.addToWaitingChildren);
		} catch (error) { // what has no JSON
			return Promise.reject(error as Error);
		}
		return this.#do({ json, kind: 'once' }, { command: 'addJob', jobId, parentKey: parentKeyOpts.parentKey }, (result) => this.#added(result));
	}

	#added(result: Result): string {
		const { id, uid } = result as { id?: unknown; uid?: unknown };
		if (typeof uid === 'string')
			this.#held.learn(String(id), uid);
		return String(id);
	}

	async addJobs(entries: { job: JobJson; jobId: string; parentKeyOpts?: ParentKeyOpts }[]): Promise<string[]> {
		if (entries.some(({ job }) => job.parent)) // BullMQ refuses such ones one by one
			return Promise.all(entries.map(({ job, jobId, parentKeyOpts }) => this.addJob(job, jobId, parentKeyOpts)));
		const texts = entries.map(({ job, jobId }) => enqueueText(this.#prefix, this.#name, job, jobId));
		return this.#guard(async () => {
			const parts = await Promise.all(bundles(texts).map(({ from, bundle }) => this.#coalescer.addAtomic(bundle).catch((error: unknown) => {
				throw refusalOfSeveral(error, bundle.map((_, i) => `jobs[${from + i}].`), []);
			})));
			return parts.flat().map((result) => this.#added(result));
		});
	}

	/** All or nothing. */
	async addFlow(entries: FlowEntry[]): Promise<[Error | null, string][]> {
		const texts = entries.map(({ jobData, jobId, parentKeyOpts, prefix, queueName }) =>
			enqueueText(prefix ?? this.#prefix, queueName, jobData, jobId, parentKeyOpts?.addToWaitingChildren));
		if (!texts.length)
			return [];
		return this.#guard(async () => {
			try {
				const results = await this.#coalescer.addAtomic(texts);
				return results.map((result) => [null, String(result['id'])]);
			} catch (error) {
				throw refusalOfSeveral(error, placesOf(entries, ({ prefix, queueName, jobId }) => `${prefix ?? this.#prefix}:${queueName}:${jobId}`),
					entries.map(({ parentKeyOpts }) => ({ command: 'addJob', parentKey: parentKeyOpts?.parentKey })));
			}
		});
	}

	// ---- work ----

	#claim(token: string | undefined, name: string | undefined): object {
		const { lockDuration } = this.#opts;
		return {
			queues: [this.#place], max: 1, compat: 'bullmq',
			...(token ? { token } : {}),
			...(name ? { worker: name } : {}),
			...(lockDuration ? { lease_ms: lockDuration } : {}),
			...limiterOf(this.#opts),
		};
	}

	/** The same as JSON. All but the token is the same from claim to claim. */
	#claimText(token: string | undefined, name: string | undefined): string {
		if (!this.#claimed || this.#claimed.name !== name) {
			const [before = '', after = ''] = JSON.stringify(this.#claim(TOKEN, name)).split(JSON.stringify(TOKEN));
			this.#claimed = { name, before, after };
		}
		const { before, after } = this.#claimed;
		return token ? `${before}${JSON.stringify(token)}${after}` : JSON.stringify(this.#claim(undefined, name));
	}

	/** BullMQ's tuple: [job, id, milliseconds that the rate limit lasts, when the next delayed job is due]. */
	#taken(claim: WireClaim, worker: string | undefined): [JobJson | null, string | null, number, number] {
		const limit = Math.max(0, claim.rate_ttl_ms ?? 0);
		const grant = claim.jobs[0];
		if (!grant)
			return [null, null, limit, claim.next_due_ms === null ? 0 : Date.now() + claim.next_due_ms];
		const job = grantedJob(grant, worker);
		this.#held.take(grant, job);
		return [job, grant.id, limit, 0];
	}

	async moveToActive(token: string, name?: string): Promise<unknown[]> {
		const json = `{"op":"claim",${this.#claimText(token, name).slice(1)}`;
		try {
			const claim = this.#work.isArmed ? await this.#guard(() => this.#work.claim(this.#claim(token, name)))
				: await this.#do({ json, kind: 'claims' }, { command: 'moveToActive' }) as unknown as WireClaim;
			return claim ? this.#taken(claim, name) : [null, null, 0, 0];
		} catch (error) {
			if (error instanceof UnreachableError || (error as { code?: unknown }).code === 'unreachable') // the 'error' event told it; the wait for a job lasts until the daemon is back, and can be withdrawn
				return [null, null, 0, 0];
			throw error;
		}
	}

	/** The end of an attempt, with the next claim in the same change-set. Answers BullMQ's next job data. */
	async #end(op: Record<string, unknown>, tail: string, jobId: string, ended: readonly string[], fetchNext: boolean, command: string): Promise<unknown[]> {
		const text = `${JSON.stringify(Object.assign(op, this.#job(jobId))).slice(0, -1)}${tail}`;
		const { name } = this.#opts;
		const unclaimed = `${text}}`;
		const claims = fetchNext && !this.closing;
		const token = op['token'] as string | undefined;
		const operation: Operation = claims
			? { json: `${text},"claim":${this.#claimText(token, name)}}`, kind: 'claims', unclaimed }
			: { json: unclaimed, kind: 'safe' };
		const fence = this.#held.fence(jobId);
		let result: Result;
		try {
			result = await this.#guard(() => this.#coalescer.add(operation));
		} catch (error) {
			if (!(error instanceof Refusal))
				throw error;
			if (!error.repeated || !await this.#wentThrough(jobId, fence, ended))
				throw problemError(error.problem, { command, jobId, state: 'active' });
			return [];
		}
		this.#held.forget(jobId);
		const claim = result['claim'] as (WireClaim & { problem?: Parameters<typeof problemError>[0] }) | undefined;
		if (claim?.problem)
			throw problemError(claim.problem, { command: 'moveToActive' });
		return claim ? this.#taken(claim, name) : [];
	}

	/** An end whose answer was lost was repeated and refused: was it the first time that did it? Only one end is accepted a fence. */
	async #wentThrough(jobId: string, fence: number | undefined, ended: readonly string[]): Promise<boolean> {
		const job = await this.#jobs.read(jobId, false);
		return !job || (job.fence === fence && ended.includes(job.state));
	}

	async moveToCompleted(job: MinimalJob, returnValue: unknown, removeOnComplete: boolean | number | KeepJobs, token: string, fetchNext: boolean): Promise<Finished> {
		const result = JSON.stringify(returnValue) ?? 'null';
		const op = { op: 'complete', token, keep: keepOf(removeOnComplete, this.#opts.removeOnComplete) };
		const finishedOn = Date.now();
		const next = await this.#end(op, `,"result":${result}`, job.id!, ['completed'], fetchNext, 'moveToFinished');
		return { result: next, finishedOn };
	}

	async moveToFailed(job: MinimalJob, failedReason: string, removeOnFail: boolean | number | KeepJobs, token: string, fetchNext: boolean,
		fieldsToUpdate?: Record<string, unknown>): Promise<Finished> {
		const error = this.#held.error(job.id!, { failedReason: failedReason ?? 'null', ...fieldsToUpdate });
		const op = { op: 'fail', token, verdict: 'final', error, keep: keepOf(removeOnFail, this.#opts.removeOnFail) };
		const finishedOn = Date.now();
		const next = await this.#end(op, '', job.id!, ['failed'], fetchNext, 'moveToFinished');
		return { result: next, finishedOn };
	}

	async moveToDelayed(jobId: string, timestamp: number, delay: number, token = '0', opts: MoveToDelayedOpts = {}): Promise<unknown[]> {
		const { skipAttempt, fieldsToUpdate, fetchNext } = opts;
		const error = fieldsToUpdate ? { error: this.#held.error(jobId, fieldsToUpdate) } : {};
		const op = skipAttempt
			? { op: 'snooze', token, run_at: new Date(timestamp + delay).toISOString() }
			: { op: 'fail', token, verdict: { delay_ms: Math.max(0, Math.trunc(delay)) }, ...error };
		return this.#end(op, '', jobId, ['delayed', 'waiting'], Boolean(fetchNext), 'moveToDelayed');
	}

	async moveToWaitingChildren(jobId: string, token: string, { child }: MoveToWaitingChildrenOpts = {}): Promise<boolean> {
		const named = child ? { child: { ...placeOf(child.queue), id: String(child.id) } } : {};
		const op = { op: 'await_children', ...this.#job(jobId), token, ...named };
		const result = await this.#once(op, { command: 'moveToWaitingChildren', jobId, state: 'active' });
		return result['state'] === 'waiting_children';
	}

	async moveJobFromActiveToWait(jobId: string, token = '0'): Promise<number> {
		const result = await this.#safe({ op: 'release', ...this.#job(jobId), token }, { command: 'moveJobFromActiveToWait', jobId, state: 'active' });
		return Math.max(0, Number(result['rate_ttl_ms'] ?? 0));
	}

	async retryJob(jobId: string, lifo: boolean, token = '0', opts: { fieldsToUpdate?: Record<string, unknown> } = {}): Promise<void> {
		const { fieldsToUpdate } = opts;
		const error = fieldsToUpdate ? { error: this.#held.error(jobId, fieldsToUpdate) } : {};
		await this.#end({ op: 'fail', token, verdict: lifo ? 'head' : 'tail', ...error }, '', jobId, ['waiting'], false, 'retryJob');
	}

	async moveStalledJobsToWait(): Promise<string[]> {
		const { stalledInterval, maxStalledCount } = this.#opts;
		const op = {
			op: 'sweep', ...this.#place, interval_ms: Math.trunc(stalledInterval ?? 30_000),
			...(maxStalledCount === undefined ? {} : { max_stalls: Math.min(Math.trunc(maxStalledCount), STALLS_MAX) }),
		};
		const result = await this.#safe(op, { command: 'moveStalledJobsToWait' });
		return result['ids'] as string[];
	}

	async extendLock(jobId: string, token: string, duration: number): Promise<number> {
		const lost = await this.extendLocks([jobId], [token], duration);
		return lost.length ? 0 : 1;
	}

	async extendLocks(jobIds: string[], tokens: string[], duration: number): Promise<string[]> {
		return this.#guard(async () => {
			const kept = await Promise.all(jobIds.map(async (jobId, i) => {
				const json = JSON.stringify({ op: 'heartbeat', ...this.#job(jobId), token: tokens[i], lease_ms: duration });
				try {
					await this.#coalescer.add({ json, kind: 'safe' });
					return true;
				} catch (error) {
					if (error instanceof Refusal)
						return false;
					throw error;
				}
			}));
			return jobIds.filter((_, i) => !kept[i]);
		});
	}

	waitForJob(blockTimeout: number): Promise<{ member: string; score: number } | null> {
		return this.#guard(() => this.#work.wait(blockTimeout * 1000));
	}

	/** How a worker begins to pause or to close. */
	async disconnectBlocking(): Promise<void> {
		this.#work.stop();
		this.#link.hurry();
	}

	async reconnectBlocking(): Promise<void> {
		this.#work.allow();
		this.#link.relax();
	}

	// ---- one job ----

	async retryFinishedJob(job: MinimalJob, state: 'failed' | 'completed', opts: RetryOptions = {}): Promise<void> {
		await this.#once({
			op: 'retry', ...this.#job(job.id!), only_state: state, keep_attempts: !opts.resetAttemptsMade,
			...(opts.resetAttemptsStarted ? { reset_started: true } : {}), ...(job.opts.lifo ? { lifo: true } : {}),
		}, { command: 'reprocessJob', jobId: job.id, state });
	}

	async promote(jobId: string): Promise<void> {
		await this.#once({ op: 'promote', ...this.#job(jobId) }, { command: 'promote', jobId, state: 'delayed', missing: ErrorCode.JobNotInState });
	}

	async updateData(job: MinimalJob, data: unknown): Promise<void> {
		const json = `${JSON.stringify({ op: 'edit', ...this.#job(job.id!) }).slice(0, -1)},"payload":${JSON.stringify(data) ?? 'null'}}`;
		await this.#do({ json, kind: 'safe' }, { command: 'updateData', jobId: job.id });
	}

	async updateProgress(jobId: string, progress: JobProgress): Promise<void> {
		await this.#safe({ op: 'progress', ...this.#job(jobId), progress }, { command: 'updateProgress', jobId });
	}

	async addLog(jobId: string, logRow: string, keepLogs?: number): Promise<number> {
		const op = { op: 'log', ...this.#job(jobId), line: String(logRow), ...(keepLogs ? { keep: keepLogs } : {}) };
		await this.#once(op, { command: 'addLog', jobId });
		return (await this.getJobLogs(jobId, 0, 0, true)).count;
	}

	async clearLogs(jobId: string, keepLogs?: number): Promise<void> {
		await this.#orNothing(this.#safe({ op: 'log', ...this.#job(jobId), keep: keepLogs ?? 0 }, { command: 'clearLogs', jobId }));
	}

	async changeDelay(jobId: string, delay: number): Promise<void> {
		await this.#safe({ op: 'reschedule', ...this.#job(jobId), delay_ms: Math.trunc(delay) }, { command: 'changeDelay', jobId, state: 'delayed' });
	}

	async changePriority(jobId: string, priority = 0, lifo = false): Promise<void> {
		const op = { op: 'reprioritise', ...this.#job(jobId), priority, ...(lifo ? { lifo } : {}) };
		await this.#safe(op, { command: 'changePriority', jobId, state: 'waiting or delayed' });
	}

	async remove(jobId: string, removeChildren: boolean): Promise<number> {
		try {
			await this.#delete(jobId, removeChildren);
		} catch (error) {
			const { code } = error as { code?: unknown };
			if (code === ErrorCode.JobNotInState) // it runs, or one below it
				return 0;
			if (code !== ErrorCode.JobNotExist)
				throw error;
		}
		this.#held.forget(jobId);
		return 1;
	}

	/** A token that is limited to queues may not reach below a job: where nothing is, that does not matter. */
	async #delete(jobId: string, children: boolean): Promise<void> {
		try {
			await this.#once({ op: 'delete', ...this.#job(jobId), children: children ? 'delete' : 'keep' }, { command: 'removeJob', jobId });
		} catch (error) {
			if (!children || (error as { code?: unknown }).code !== 'forbidden')
				throw error;
			const counts = await this.#guard(() => this.#children.counts(jobId));
			if (Object.values(counts).some((count) => count > 0))
				throw error;
			await this.#delete(jobId, false);
		}
	}

	async removeUnprocessedChildren(jobId: string): Promise<void> {
		await this.#orNothing(this.#once({ op: 'children_delete', ...this.#job(jobId) }, { command: 'removeUnprocessedChildren', jobId }));
	}

	async removeChildDependency(jobId: string, parentKey: string): Promise<boolean> {
		const job = await this.#look(jobId, true);
		const known = job?.parents?.find((parent) => this.#nodes.keyOf(parent) === parentKey);
		const { prefix, queueName, id } = this.#nodes.parse(parentKey);
		const parent = known ? known.uid : { namespace: prefix, queue: queueName, id };
		const result = await this.#once({ op: 'detach', ...this.#job(jobId), parent }, { command: 'removeChildDependency', jobId, parentKey });
		return Number(result['count']) > 0;
	}

	async getState(jobId: string): ReturnType<IQueueBackend['getState']> {
		return stateOf(await this.#look(jobId, false)) as Awaited<ReturnType<IQueueBackend['getState']>>;
	}

	#look(jobId: string, whole: boolean) {
		return this.#guard(() => this.#jobs.read(String(jobId), whole));
	}

	async isFinished(jobId: string, returnValue = false): Promise<number | [number, string]> {
		const job = await this.#look(jobId, returnValue);
		if (!job)
			return returnValue ? [-1, `Missing key for job ${this.toKey(jobId)}. isFinished`] : -1;
		const state = stateOf(job);
		const status = state === 'completed' ? 1 : state === 'failed' ? 2 : 0;
		if (!returnValue)
			return status;
		const { returnvalue = '', failedReason = '' } = readJob(job);
		return [status, status === 1 ? returnvalue : status === 2 ? failedReason : ''];
	}

	async isJobInState(state: string, jobId: string): Promise<boolean> {
		if (!KNOWN_STATES.has(state))
			throw new Error(`Unknown job state: ${state}`);
		return stateOf(await this.#look(jobId, false)) === (state === 'wait' ? 'waiting' : state);
	}

	async getJobData(jobId: string): Promise<JobJson | undefined> {
		const job = await this.#look(jobId, true);
		return job ? readJob(job) : undefined;
	}

	async getJobLogs(jobId: string, start: number, end: number, asc: boolean): Promise<{ logs: string[]; count: number }> {
		return this.#guard(async () => {
			const uid = this.#held.uid(jobId) ?? (await this.#jobs.read(String(jobId), false))?.uid;
			await this.#coalescer.settled();
			return uid ? this.#ranges.logs(uid, start, end, asc) : { logs: [], count: 0 };
		});
	}

	// ---- dedup ----

	async getDeduplicationJobId(deduplicationId: string): Promise<string | null> {
		const result = await this.#orNothing(this.#safe({ op: 'dedup_get', ...this.#place, key: deduplicationId }, { command: 'getDeduplicationJobId' }));
		return result?.['count'] ? String(result['id']) : null;
	}

	async deleteDeduplicationKey(deduplicationId: string): Promise<number> {
		const result = await this.#orNothing(this.#once({ op: 'dedup_release', ...this.#place, key: deduplicationId }, { command: 'deleteDeduplicationKey' }));
		return Number(result?.['count'] ?? 0);
	}

	async removeDeduplicationKey(deduplicationId: string, jobId: string): Promise<number> {
		const uid = this.#held.uid(jobId) ?? (await this.#look(jobId, false))?.uid;
		if (!uid)
			return 0;
		const op = { op: 'dedup_release', ...this.#place, key: deduplicationId, uid };
		const result = await this.#orNothing(this.#once(op, { command: 'removeDeduplicationKey', jobId }));
		return Number(result?.['count'] ?? 0);
	}

	/** What is not there is nothing to BullMQ: no error. */
	async #orNothing(result: Promise<Result>): Promise<Result | undefined> {
		try {
			return await result;
		} catch (error) {
			if ((error as { code?: unknown }).code === ErrorCode.JobNotExist)
				return undefined;
			throw error;
		}
	}

	// ---- the queue ----

	async #queue(op: object = {}): Promise<WireQueue | undefined> {
		return this.#guard(() => this.#meta.get(op));
	}

	async isMaxed(): Promise<boolean> {
		const queue = await this.#queue();
		const most = queue?.settings.concurrency ?? 0;
		return most > 0 && queue!.states['active']! >= most;
	}

	async getCounts(types: JobType[], delayedTimestamp?: number): Promise<number[]> {
		if (delayedTimestamp !== undefined)
			return Promise.all(types.map((type) => this.#guard(() => this.#ranges.count(type, type === 'delayed' ? delayedTimestamp : undefined))));
		const queue = await this.#queue();
		return types.map((type) => (queue ? countOf(queue, type) : 0));
	}

	async getCountsPerPriority(priorities: number[]): Promise<number[]> {
		const queue = priorities.length ? await this.#queue({ priorities }) : undefined;
		return priorities.map((priority) => queue?.priorities?.find((row) => row.priority === priority)?.['waiting'] ?? 0);
	}

	async getRanges(types: JobType[], start = 0, end = 1, asc = false): Promise<[string][]> {
		const lists = await this.#guard(() => Promise.all(types.map((type) => this.#ranges.ids(type, start, end, asc))));
		return lists as unknown as [string][];
	}

	async getRateLimitTtl(maxJobs?: number): Promise<number> {
		const queue = await this.#queue(maxJobs ? { rate_max: Math.trunc(maxJobs) } : {});
		if (queue && queue.rate_ttl_ms === undefined)
			throw new TooOldError('this daemon does not tell how long a rate limit lasts (rate_ttl_ms)');
		return queue?.rate_ttl_ms ?? -2;
	}

	async pause(pause: boolean): Promise<void> {
		await this.#guard(() => this.#meta.pause(pause));
	}

	async drain(delayed: boolean): Promise<void> {
		await this.#guard(() => this.#sweeps.drain(delayed));
	}

	async cleanJobsByState(state: string, timestamp: number, limit = 0): Promise<string[]> {
		return this.#guard(() => this.#sweeps.clean(state, timestamp, limit));
	}

	async obliterate(opts: { force: boolean; count: number }): Promise<number> {
		const queue = await this.#queue();
		if (queue && !queue.paused)
			throw new Error('Cannot obliterate non-paused queue');
		if (queue?.states['active'] && !opts.force)
			throw new Error('Cannot obliterate queue with active jobs');
		return queue ? this.#guard(() => this.#sweeps.obliterate(opts.count)) : 0;
	}

	async retryFinishedJobs(state: 'failed' | 'completed' = 'failed', count = 1000, timestamp = Date.now()): Promise<number> {
		return this.#guard(() => this.#sweeps.retry(state, count, timestamp));
	}

	async promoteJobs(count = 1000): Promise<number> {
		return this.#guard(() => this.#sweeps.promote(count));
	}

	async removeOrphanedJobs(): Promise<number> {
		return 0; // there are none: a job and its place are one row
	}

	async removeDeprecatedPriorityKey(): Promise<number> {
		return 0;
	}

	async setRateLimit(expireTimeMs: number): Promise<void> {
		await this.#guard(() => this.#meta.backOff(Math.max(0, Math.trunc(expireTimeMs))));
	}

	async removeRateLimitKey(): Promise<number> {
		const ttl = await this.getRateLimitTtl();
		await this.setRateLimit(0);
		return ttl > 0 ? 1 : 0;
	}

	async getMetrics(type: 'completed' | 'failed', start = 0, end = -1): Promise<[string[], string[], number]> {
		return this.#guard(() => this.#ranges.metrics(type, start, end));
	}

	async getClientList(): Promise<string[]> {
		return this.#guard(() => this.#registry.list());
	}

	setQueueMeta(values: Record<string, string | number>): Promise<number> {
		return this.#guard(() => this.#meta.set(values));
	}

	async getQueueMeta(): Promise<Record<string, string>> {
		return this.#guard(() => this.#meta.all());
	}

	async getQueueMetaField(field: string): Promise<string | null> {
		return (await this.getQueueMeta())[field] ?? null;
	}

	async getQueueMetaFields(fields: string[]): Promise<(string | null)[]> {
		const meta = await this.getQueueMeta();
		return fields.map((field) => meta[field] ?? null);
	}

	async removeQueueMetaFields(fields: string[]): Promise<number> {
		return this.#guard(() => this.#meta.remove(fields));
	}

	async hasQueueMetaField(field: string): Promise<boolean> {
		return field in await this.getQueueMeta();
	}

	// ---- events ----

	async trimEvents(maxLength: number): Promise<number> {
		for (let gone = 0; ;) {
			const result = await this.#safe({ op: 'events_trim', ...this.#place, keep: maxLength }, { command: 'trimEvents' });
			gone += Number(result['count'] ?? 0);
			if (!result['more'])
				return gone;
		}
	}

	async publishEvent(fields: Record<string, string | number>, maxEvents: number): Promise<string> {
		const { event, ...details } = fields;
		const tell = (): Promise<unknown> => this.#once({ op: 'event', ...this.#place, name: String(event), details }, { command: 'publishEvent' });
		try {
			await tell();
		} catch (error) {
			if ((error as { code?: unknown }).code !== ErrorCode.JobNotExist)
				throw error;
			await this.#meta.make(); // it is the queue that is not there yet
			await tell();
		}
		void maxEvents; // the queue's own bound holds (opts.maxLenEvents)
		return '';
	}

	readEvents(id: string, blockTimeout: number): ReturnType<IQueueBackend['readEvents']> {
		return this.#guard(() => this.#events.read(id, blockTimeout, this.toKey('events')));
	}

	// ---- schedulers ----

	addJobScheduler(jobSchedulerId: string, nextMillis: number, templateData: string, templateOpts: JobsOptions, opts: RepeatableOptions,
		delayedJobOpts: JobsOptions): Promise<[string, number]> {
		return this.#guard(() => this.#schedulers.put(jobSchedulerId, nextMillis, templateData, templateOpts, opts, delayedJobOpts));
	}

	updateJobSchedulerNextMillis(jobSchedulerId: string, nextMillis: number, _templateData: string, delayedJobOpts: JobsOptions,
		producerId?: string): Promise<string | null> {
		return this.#guard(() => this.#schedulers.next(jobSchedulerId, nextMillis, delayedJobOpts, producerId, producerId && this.#held.oddName(producerId)));
	}

	async removeJobScheduler(jobSchedulerId: string): Promise<number> {
		return await this.#guard(() => this.#schedulers.remove(jobSchedulerId)) ? 0 : 1;
	}

	async getJobScheduler(id: string): Promise<[unknown, string | null]> {
		const chain = await this.#guard(() => this.#schedulers.get(id));
		return chain ? [Object.entries(schedulerFields(chain)).flat(), nextMillisOf(chain)] : [null, null];
	}

	async isJobScheduler(id: string): Promise<boolean> {
		return Boolean(await this.#guard(() => this.#schedulers.get(id)));
	}

	async getJobSchedulerData(key: string): Promise<Record<string, string>> {
		const chain = await this.#guard(() => this.#schedulers.get(key));
		return chain ? schedulerFields(chain) : {};
	}

	async getJobSchedulersRange(start: number, end: number, asc: boolean): Promise<string[]> {
		const chains = await this.#guard(() => this.#schedulers.range(start, end, asc));
		return chains.flatMap((chain) => [chain.key, nextMillisOf(chain)]);
	}

	getJobSchedulersCount(): Promise<number> {
		return this.#guard(() => this.#schedulers.count());
	}

	// ---- children ----

	async getDependencyCounts(jobId: string, types: string[]): Promise<number[]> {
		const counts = await this.#guard(() => this.#children.counts(jobId));
		return types.map((type) => counts[CATEGORIES[type as Category] ?? 'failed']);
	}

	/** Without options all of them; with some, a page of each category that they name: cursors are places. */
	async getDependencies(jobId: string, opts: DependenciesOpts = {}): ReturnType<IQueueBackend['getDependencies']> {
		const asked = (Object.keys(CATEGORIES) as Category[]).filter((category) => opts[category]);
		const told: Record<string, unknown> = {};
		await this.#guard(() => Promise.all((asked.length ? asked : Object.keys(CATEGORIES) as Category[]).map(async (category) => {
			const { cursor = 0, count = 20 } = asked.length ? opts[category]! : { cursor: 0, count: Infinity };
			const { children, total } = await this.#children.list(jobId, category, cursor, count);
			const keys = children.map((child) => this.#nodes.keyOf(child));
			told[category] = category === 'processed' ? Object.fromEntries(children.map((child, i) => [keys[i], child.value]))
				: category === 'ignored' ? Object.fromEntries(children.map((child, i) => [keys[i], reasonOf(child)])) : keys;
			const next = cursor + children.length;
			if (asked.length)
				told[NEXT[category]] = category === 'failed' ? cursor + count : next < total ? next : 0;
		})));
		return told as Awaited<ReturnType<IQueueBackend['getDependencies']>>;
	}

	async #valuesOf(jobId: string, category: Category, value: (child: WireChild) => string): Promise<Record<string, string>> {
		const { children } = await this.#guard(() => this.#children.list(jobId, category));
		return Object.fromEntries(children.map((child) => [this.#nodes.keyOf(child), value(child)]));
	}

	getProcessedChildrenValues(jobId: string): Promise<Record<string, string>> {
		return this.#valuesOf(jobId, 'processed', (child) => JSON.stringify(child.value ?? null));
	}

	getIgnoredChildrenFailures(jobId: string): Promise<Record<string, string>> {
		return this.#valuesOf(jobId, 'ignored', reasonOf);
	}

	/** `key`: of a job's processed or pending children. */
	async paginate(key: string, { start, end, fetchJobs }: { start: number; end: number; fetchJobs?: boolean }): ReturnType<IQueueBackend['paginate']> {
		const processed = key.endsWith(':processed');
		const jobId = key.slice(this.qualifiedName.length + 1, key.lastIndexOf(':'));
		const count = end < 0 ? Infinity : Math.max(0, end - start + 1);
		const { children, total } = await this.#guard(() => this.#children.list(jobId, processed ? 'processed' : 'unprocessed', start, count));
		const items = children.map((child) => ({ id: this.#nodes.keyOf(child), ...(processed ? { v: child.value } : {}) }));
		const jobs = fetchJobs ? await Promise.all(children.map((child) => this.forQueue(child.queue ?? '', child.namespace ?? '').getJobData(child.id))) : [];
		return { cursor: '0', items, total, jobs: jobs.filter((job) => job !== undefined) };
	}
}

const NEXT = { processed: 'nextProcessedCursor', unprocessed: 'nextUnprocessedCursor', ignored: 'nextIgnoredCursor', failed: 'nextFailedCursor' } as const;
const KNOWN_STATES: ReadonlySet<string> = new Set(['waiting', 'wait', 'active', 'prioritized', 'completed', 'failed', 'delayed', 'waiting-children']);

function countOf(queue: WireQueue, type: string): number {
	const { states, prioritised } = queue;
	switch (type) {
	case 'waiting': case 'wait': return (states['waiting'] ?? 0) - prioritised;
	case 'prioritized': return prioritised;
	case 'waiting-children': return states['waiting_children'] ?? 0;
	case 'paused': case 'repeat': return 0; // no states of BullMQ 6
	default: return states[type] ?? 0;
	}
}

/** As many of the texts as one atomic request takes, and so on. */
function bundles(texts: readonly string[]): { readonly from: number; readonly bundle: string[] }[] {
	const made: { from: number; bundle: string[] }[] = [];
	let chars = 0;
	texts.forEach((text, i) => {
		chars += text.length;
		if (!made.length || chars > BULK_CHARS || made.at(-1)!.bundle.length === BULK_OPS) {
			made.push({ from: i, bundle: [] });
			chars = text.length;
		}
		made.at(-1)!.bundle.push(text);
	});
	return made;
}
