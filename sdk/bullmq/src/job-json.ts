// Jobs as BullMQ's classes want them, made of the daemon's, and the other way round.
import type { JobJson, JobsOptions, KeepJobs } from 'bullmq';
import type { WireError, WireGrant, WireJob, WireParent } from './wire.js';

const NAME_BYTES = 255;
const ATTEMPTS_MAX = 1_000_000;
const CLOCK_SLACK_MS = 1_000;

/** A job that a worker was given. */
export function grantedJob(grant: WireGrant, worker: string | undefined): JobJson {
	const { started_at } = grant, errors = thrown(grant.errors);
	return withoutHoles({
		...common(grant),
		delay: 0, // it is over
		attemptsStarted: grant.attempts_started ?? grant.attempt,
		processedOn: instant(started_at) ?? Date.now(),
		failedReason: errors.at(-1)?.message ?? undefined,
		stacktrace: stackTexts(errors, grant.metadata?.opts as JobsOptions | undefined),
		returnvalue: undefined,
		processedBy: worker,
	});
}

/** A job that was looked at. */
export function readJob(job: WireJob): JobJson {
	const { metadata } = job, errors = thrown(job.errors);
	const ended = STATES[job.state] === 'completed' || STATES[job.state] === 'failed';
	return withoutHoles({
		...common(job),
		delay: remainingDelay(job),
		attemptsStarted: job.attempts_started,
		processedOn: job.redone ? undefined : instant(job.started_at),
		finishedOn: ended ? instant(job.finished_at) : undefined,
		failedReason: job.redone || !errors.length ? undefined : errors.at(-1)!.message ?? undefined,
		stacktrace: stackTexts(errors, metadata?.opts as JobsOptions | undefined),
		returnvalue: job.state === 'completed' ? JSON.stringify(job.result ?? null) : undefined,
		processedBy: job.worker ?? undefined,
	});
}

function common(job: WireJob | WireGrant) {
	const { metadata, parents, progress, deferred } = job;
	const opts = optsOf(job);
	const parent = parents?.[0];
	return {
		id: job.id,
		name: metadata?.name ?? job.name ?? '',
		data: JSON.stringify(job.payload ?? null),
		opts,
		progress: (progress ?? 0) as JobJson['progress'],
		priority: job.priority,
		timestamp: metadata?.timestamp ?? 0,
		attemptsMade: job.attempts_made,
		stalledCounter: job.stalls,
		repeatJobKey: metadata?.repeatJobKey,
		deduplicationId: opts.deduplication?.id,
		deferredFailure: deferred ?? undefined,
		...(parent ? { parent: parentKeys(parent), parentKey: `${parent.namespace}:${parent.queue}:${parent.id}` } : {}),
	};
}

/** A scheduler's job has the id and the delay that its time came to. */
function optsOf({ id, metadata }: WireJob | WireGrant): JobsOptions {
	const opts = (metadata?.opts ?? {}) as JobsOptions;
	if (metadata?.repeatJobKey === undefined || !id.startsWith('repeat:'))
		return opts;
	return { ...opts, delay: Math.max(0, slotOf(id) - (metadata.timestamp ?? 0)), jobId: id };
}

/** The time in `repeat:KEY:MILLISECONDS`. */
export function slotOf(id: string): number {
	return Number(id.slice(id.lastIndexOf(':') + 1));
}

const FLAGS = { fail: 'fpof', continue: 'cpof', ignore: 'idof', forget: 'rdof' } as const;

function parentKeys(parent: WireParent): NonNullable<JobJson['parent']> {
	const flag = FLAGS[parent.on_failure as keyof typeof FLAGS];
	return { id: parent.id, queueKey: `${parent.namespace}:${parent.queue}`, ...(flag ? { [flag]: true } : {}) };
}

/** BullMQ's `delay` is the one it was asked for, 0 once it is over. */
function remainingDelay(job: WireJob): number {
	if (job.state !== 'delayed' || !job.due_at)
		return 0;
	const asked = optsOf(job).delay;
	const since = job.metadata?.timestamp ?? Date.parse(job.created_at);
	const due = Date.parse(job.due_at);
	return asked && Math.abs(since + asked - due) < CLOCK_SLACK_MS ? asked : Math.max(0, due - Date.now());
}

/** A lost lease threw nothing. */
function thrown(errors: readonly WireError[] = []): readonly WireError[] {
	return errors.filter((error) => error.type !== 'stalled');
}

/** What the attempts threw, newest last. */
function stackTexts(errors: readonly WireError[], opts: JobsOptions | undefined): string {
	const limit = opts?.stackTraceLimit;
	const stacks = errors.map((error) => error.stack).filter((stack): stack is string => Boolean(stack));
	return JSON.stringify(limit === undefined ? stacks : limit === 0 ? [] : stacks.slice(-limit));
}

function instant(text: string | null | undefined): number | undefined {
	return text ? Date.parse(text) : undefined;
}

function withoutHoles(job: { [K in keyof JobJson]?: JobJson[K] | undefined }): JobJson {
	for (const name of Object.keys(job) as (keyof JobJson)[])
		if (job[name] === undefined)
			delete job[name];
	return job as JobJson;
}

/** BullMQ's word for a state; a cancelled or expired job is a failed one to it. */
export const STATES: Readonly<Record<string, string>> = {
	waiting: 'waiting', delayed: 'delayed', active: 'active', waiting_children: 'waiting-children',
	completed: 'completed', failed: 'failed', cancelled: 'failed', expired: 'failed',
};

/** `unknown`: missing, or one that BullMQ has no word for. */
export function stateOf(job: WireJob | null): string {
	if (!job)
		return 'unknown';
	return job.state === 'waiting' && job.priority > 0 ? 'prioritized' : STATES[job.state] ?? 'unknown';
}

/** An enqueue, as JSON: the data stays the text that it is. */
export function enqueueText(namespace: string, queue: string, job: JobJson, id: string | undefined, parents: readonly WireParent[]): string {
	const { opts, timestamp, repeatJobKey } = job;
	const plain = nameFits(job.name);
	const delay = Math.max(0, Math.trunc(opts.delay ?? 0));
	const op = {
		op: 'enqueue', compat: 'bullmq', namespace, queue,
		...(id === undefined || id === '' ? {} : { id: String(id) }),
		...(plain ? { name: job.name } : {}),
		metadata: { opts: storedOpts(opts), timestamp, repeatJobKey, ...(plain ? {} : { name: String(job.name ?? '') }) },
		...(delay ? dueIn(delay, timestamp) : {}),
		...(opts.priority ? { priority: opts.priority } : {}),
		...(opts.lifo ? { lifo: true } : {}),
		max_attempts: attemptsOf(opts),
		...(opts.deduplication ? { dedup: dedupOf(opts.deduplication) } : {}),
		...(parents.length ? { parents } : {}),
	};
	return `${JSON.stringify(op).slice(0, -1)},"payload":${job.data ?? '{}'}}`;
}

/** From the job's own timestamp on, as BullMQ counts, which need not be now. */
function dueIn(delay: number, timestamp: number): object {
	return Math.abs(timestamp - Date.now()) < CLOCK_SLACK_MS ? { delay_ms: delay } : { run_at: new Date(timestamp + delay).toISOString() };
}

export function attemptsOf({ attempts }: JobsOptions): number {
	return Math.min(Math.max(1, Math.trunc(attempts ?? 1)) || 1, ATTEMPTS_MAX);
}

export function storedOpts(opts: JobsOptions): object {
	const { telemetry, ...rest } = opts;
	return telemetry && (telemetry.metadata !== undefined || telemetry.omitContext !== undefined) ? { ...rest, telemetry } : rest;
}

export function nameFits(name: string | undefined): boolean {
	return typeof name === 'string' && name !== '' && Buffer.byteLength(name) <= NAME_BYTES && !/[\u0000-\u001f\u007f]/.test(name);
}

function dedupOf({ id, ttl, extend, replace, keepLastIfActive, ...rest }: NonNullable<JobsOptions['deduplication']> & { reschedule?: boolean }): object {
	return {
		key: id,
		...(ttl && ttl > 0 && !keepLastIfActive ? { ttl_ms: Math.trunc(ttl), ...(extend ? { extend } : {}) } : {}),
		...(replace ? { replace } : rest.reschedule ? { reschedule: true } : {}),
		...(keepLastIfActive ? { keep_last: true } : {}),
	};
}

/** Which finished jobs stay, from the job's option or else the worker's; undefined: all. */
export function keepOf(own: boolean | number | KeepJobs | undefined, worker: KeepJobs | undefined): unknown {
	const keep = own === undefined ? worker : own;
	if (keep === undefined || keep === false)
		return undefined;
	if (keep === true)
		return 'none';
	const { count, age, limit } = (typeof keep === 'number' ? { count: keep } : keep) as { count?: number; age?: number; limit?: number };
	if (count === 0)
		return 'none';
	const kept = {
		...(count !== undefined && count > 0 ? { count } : {}),
		...(age !== undefined ? { age_ms: Math.round(age * 1000) } : {}),
		...(limit !== undefined && limit > 0 ? { limit } : {}),
	};
	return 'count' in kept || 'age_ms' in kept ? kept : undefined;
}
