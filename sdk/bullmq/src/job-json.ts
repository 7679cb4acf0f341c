// Jobs as BullMQ's classes want them, made of the daemon's, and the other way round.
import type { JobJson, JobsOptions, KeepJobs } from 'bullmq';
import { parentOf } from './children.js';
import type { WireError, WireGrant, WireJob, WireParent } from './wire.js';

const NAME_BYTES = 255;
const ATTEMPTS_MAX = 1_000_000;
const CLOCK_SLACK_MS = 1_000;

/** A job that a worker was given. */
export function grantedJob(grant: WireGrant, worker: string | undefined): JobJson {
	const { started_at } = grant, errors = thrown(grant.errors);
	const job = common(grant);
	job.delay = 0; // it is over
	job.attemptsStarted = grant.attempts_started ?? grant.attempt;
	job.processedOn = instant(started_at) ?? Date.now();
	job.stacktrace = stackTexts(errors, job.opts);
	const reason = errors.at(-1)?.message;
	if (reason)
		job.failedReason = reason;
	if (worker !== undefined)
		job.processedBy = worker;
	return job;
}

/** A job that was looked at. */
export function readJob(job: WireJob): JobJson {
	const errors = thrown(job.errors);
	const read = common(job);
	const state = STATES[job.state], processedOn = job.redone ? undefined : instant(job.started_at);
	const reason = job.redone ? undefined : errors.at(-1)?.message;
	read.delay = remainingDelay(job);
	read.attemptsStarted = job.attempts_started;
	read.stacktrace = stackTexts(errors, read.opts);
	if (processedOn !== undefined)
		read.processedOn = processedOn;
	if ((state === 'completed' || state === 'failed') && job.finished_at)
		read.finishedOn = instant(job.finished_at)!;
	if (reason != null)
		read.failedReason = reason;
	if (job.state === 'completed')
		read.returnvalue = JSON.stringify(job.result ?? null);
	if (job.worker)
		read.processedBy = job.worker;
	return read;
}

/** What both have. Members that are not there are left out, never undefined: and not by `delete`, which makes slow objects of them. */
function common(job: WireJob | WireGrant): JobJson {
	const { metadata, parents, progress, deferred } = job;
	const opts = optsOf(job);
	const made: JobJson = {
		id: job.id,
		name: metadata?.name ?? job.name ?? '',
		data: JSON.stringify(job.payload ?? null),
		opts,
		progress: (progress ?? 0) as JobJson['progress'],
		priority: job.priority,
		timestamp: metadata?.timestamp ?? 0,
		attemptsMade: job.attempts_made,
		stalledCounter: job.stalls,
		delay: 0,
		attemptsStarted: 0,
		stacktrace: '[]',
	} as unknown as JobJson;
	if (metadata?.repeatJobKey !== undefined)
		made.repeatJobKey = metadata.repeatJobKey;
	if (opts.deduplication)
		made.deduplicationId = opts.deduplication.id;
	if (deferred != null)
		made.deferredFailure = deferred;
	const parent = parents?.[0];
	if (parent) {
		made.parent = parentKeys(parent);
		made.parentKey = `${parent.namespace}:${parent.queue}:${parent.id}`;
	}
	return made;
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
	if (!errors.length)
		return '[]';
	const limit = opts?.stackTraceLimit;
	const stacks = errors.map((error) => error.stack).filter((stack): stack is string => Boolean(stack));
	return JSON.stringify(limit === undefined ? stacks : limit === 0 ? [] : stacks.slice(-limit));
}

function instant(text: string | null | undefined): number | undefined {
	return text ? Date.parse(text) : undefined;
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

/** An enqueue, as JSON: the data stays the text that it is, and names are quoted once. `waits`: for children, which are enqueued with it or while it waits. */
export function enqueueText(namespace: string, queue: string, job: JobJson, id: string | undefined, waits = false): string {
	const { opts, timestamp, repeatJobKey } = job;
	const parent = parentOf(job.parent);
	const plain = nameFits(job.name);
	const delay = Math.max(0, Math.trunc(opts.delay ?? 0));
	const metadata = JSON.stringify(plain ? { opts: storedOpts(opts), timestamp, repeatJobKey }
		: { opts: storedOpts(opts), timestamp, repeatJobKey, name: String(job.name ?? '') });
	const attempts = attemptsOf(opts);
	let text = `{"op":"enqueue","compat":"bullmq","namespace":${quoted(namespace)},"queue":${quoted(queue)},"metadata":${metadata},"max_attempts":${attempts}`;
	if (plain)
		text += `,"name":${quoted(job.name)}`;
	if (id !== undefined && id !== '')
		text += `,"id":${JSON.stringify(String(id))}`;
	if (delay)
		text += `,${inner(dueIn(delay, timestamp))}`;
	if (opts.priority)
		text += `,"priority":${JSON.stringify(opts.priority)}`;
	if (opts.lifo)
		text += ',"lifo":true';
	if (opts.deduplication)
		text += `,"dedup":${JSON.stringify(dedupOf(opts.deduplication))}`;
	if (waits)
		text += ',"waits":true';
	if (parent)
		text += `,"parents":${JSON.stringify([parent])}`;
	return `${text},"payload":${job.data ?? '{}'}}`;
}

const QUOTED_MAX = 1_000;
const quotedTexts = new Map<string, string>();

/** As JSON; for names, which come again and again. */
function quoted(name: string): string {
	let text = quotedTexts.get(name);
	if (text === undefined) {
		text = JSON.stringify(name);
		if (quotedTexts.size >= QUOTED_MAX)
			quotedTexts.clear();
		quotedTexts.set(name, text);
	}
	return text;
}

/** An object's JSON without its braces. */
function inner(object: object): string {
	return JSON.stringify(object).slice(1, -1);
}

/** From the job's own timestamp on, as BullMQ counts, which need not be now. */
function dueIn(delay: number, timestamp: number): object {
	return Math.abs(timestamp - Date.now()) < CLOCK_SLACK_MS ? { delay_ms: delay } : { run_at: new Date(timestamp + delay).toISOString() };
}

export function attemptsOf({ attempts }: JobsOptions): number {
	return Math.min(Math.max(1, Math.trunc(attempts ?? 1)) || 1, ATTEMPTS_MAX);
}

export function storedOpts(opts: JobsOptions): object {
	if (opts.telemetry === undefined)
		return opts;
	const { telemetry, ...rest } = opts;
	return telemetry && (telemetry.metadata !== undefined || telemetry.omitContext !== undefined) ? { ...rest, telemetry } : rest;
}

export function nameFits(name: string | undefined): boolean {
	return typeof name === 'string' && name !== '' && (name.length <= NAME_BYTES / 3 || Buffer.byteLength(name) <= NAME_BYTES) && !/[\u0000-\u001f\u007f]/.test(name);
}

export function dedupOf({ id, ttl, extend, replace, keepLastIfActive, ...rest }: NonNullable<JobsOptions['deduplication']> & { reschedule?: boolean }): object {
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
