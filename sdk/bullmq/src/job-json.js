const NAME_BYTES = 255;
const ATTEMPTS_MAX = 1_000_000;
const CLOCK_SLACK_MS = 1_000;
/** A job that a worker was given. */
export function grantedJob(grant, worker) {
    const { errors = [], started_at } = grant;
    return withoutHoles({
        ...common(grant),
        delay: 0, // it is over
        attemptsStarted: grant.attempts_started ?? grant.attempt,
        processedOn: instant(started_at) ?? Date.now(),
        failedReason: errors.at(-1)?.message ?? undefined,
        stacktrace: stackTexts(errors, grant.metadata?.opts),
        returnvalue: undefined,
        processedBy: worker,
    });
}
/** A job that was looked at. */
export function readJob(job) {
    const { errors = [], metadata } = job;
    const ended = STATES[job.state] === 'completed' || STATES[job.state] === 'failed';
    return withoutHoles({
        ...common(job),
        delay: remainingDelay(job),
        attemptsStarted: job.attempts_started,
        processedOn: job.redone ? undefined : instant(job.started_at),
        finishedOn: ended ? instant(job.finished_at) : undefined,
        failedReason: job.redone || !errors.length ? undefined : errors.at(-1).message ?? undefined,
        stacktrace: stackTexts(errors, metadata?.opts),
        returnvalue: job.state === 'completed' ? JSON.stringify(job.result ?? null) : undefined,
        processedBy: job.worker ?? undefined,
    });
}
function common(job) {
    const { metadata, parents, progress, deferred } = job;
    const opts = (metadata?.opts ?? {});
    const parent = parents?.[0];
    return {
        id: job.id,
        name: metadata?.name ?? job.name ?? '',
        data: JSON.stringify(job.payload ?? null),
        opts,
        progress: (progress ?? 0),
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
const FLAGS = { fail: 'fpof', continue: 'cpof', ignore: 'idof', forget: 'rdof' };
function parentKeys(parent) {
    const flag = FLAGS[parent.on_failure];
    return { id: parent.id, queueKey: `${parent.namespace}:${parent.queue}`, ...(flag ? { [flag]: true } : {}) };
}
/** BullMQ's `delay` is the one it was asked for, 0 once it is over. */
function remainingDelay(job) {
    if (job.state !== 'delayed' || !job.due_at)
        return 0;
    const asked = job.metadata?.opts?.delay;
    const since = job.metadata?.timestamp ?? Date.parse(job.created_at);
    const due = Date.parse(job.due_at);
    return asked && Math.abs(since + asked - due) < CLOCK_SLACK_MS ? asked : Math.max(0, due - Date.now());
}
/** What the attempts threw, newest last; a lost lease threw nothing. */
function stackTexts(errors, opts) {
    const limit = opts?.stackTraceLimit;
    const stacks = errors.map((error) => error.stack).filter((stack) => Boolean(stack));
    return JSON.stringify(limit === undefined ? stacks : limit === 0 ? [] : stacks.slice(-limit));
}
function instant(text) {
    return text ? Date.parse(text) : undefined;
}
function withoutHoles(job) {
    for (const name of Object.keys(job))
        if (job[name] === undefined)
            delete job[name];
    return job;
}
/** BullMQ's word for a state; a cancelled or expired job is a failed one to it. */
export const STATES = {
    waiting: 'waiting', delayed: 'delayed', active: 'active', waiting_children: 'waiting-children',
    completed: 'completed', failed: 'failed', cancelled: 'failed', expired: 'failed',
};
/** `unknown`: missing, or one that BullMQ has no word for. */
export function stateOf(job) {
    if (!job)
        return 'unknown';
    return job.state === 'waiting' && job.priority > 0 ? 'prioritized' : STATES[job.state] ?? 'unknown';
}
/** An enqueue, as JSON: the data stays the text that it is. */
export function enqueueText(namespace, queue, job, id, parents) {
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
        max_attempts: Math.min(Math.max(1, Math.trunc(opts.attempts ?? 1)) || 1, ATTEMPTS_MAX),
        ...(opts.deduplication ? { dedup: dedupOf(opts.deduplication) } : {}),
        ...(parents.length ? { parents } : {}),
    };
    return `${JSON.stringify(op).slice(0, -1)},"payload":${job.data ?? '{}'}}`;
}
/** From the job's own timestamp on, as BullMQ counts, which need not be now. */
function dueIn(delay, timestamp) {
    return Math.abs(timestamp - Date.now()) < CLOCK_SLACK_MS ? { delay_ms: delay } : { run_at: new Date(timestamp + delay).toISOString() };
}
function storedOpts(opts) {
    const { telemetry, ...rest } = opts;
    return telemetry && (telemetry.metadata !== undefined || telemetry.omitContext !== undefined) ? { ...rest, telemetry } : rest;
}
function nameFits(name) {
    return typeof name === 'string' && name !== '' && Buffer.byteLength(name) <= NAME_BYTES && !/[\u0000-\u001f\u007f]/.test(name);
}
function dedupOf({ id, ttl, extend, replace, keepLastIfActive, ...rest }) {
    return {
        key: id,
        ...(ttl && ttl > 0 && !keepLastIfActive ? { ttl_ms: Math.trunc(ttl), ...(extend ? { extend } : {}) } : {}),
        ...(replace ? { replace } : rest.reschedule ? { reschedule: true } : {}),
        ...(keepLastIfActive ? { keep_last: true } : {}),
    };
}
/** Which finished jobs stay, from the job's option or else the worker's; undefined: all. */
export function keepOf(own, worker) {
    const keep = own === undefined ? worker : own;
    if (keep === undefined || keep === false)
        return undefined;
    if (keep === true)
        return 'none';
    const { count, age, limit } = (typeof keep === 'number' ? { count: keep } : keep);
    if (count === 0)
        return 'none';
    const kept = {
        ...(count !== undefined && count > 0 ? { count } : {}),
        ...(age !== undefined ? { age_ms: Math.round(age * 1000) } : {}),
        ...(limit !== undefined && limit > 0 ? { limit } : {}),
    };
    return 'count' in kept || 'age_ms' in kept ? kept : undefined;
}
