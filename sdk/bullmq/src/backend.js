// BullMQ's IQueueBackend over the daemon's HTTP API: what each member becomes stands in docs/decisions/2026-11-25-bullmq-and-queue-semantics.md, 3.
import { EventEmitter } from 'node:events';
import { ErrorCode } from 'bullmq';
import { Coalescer, Refusal } from './coalescer.js';
import { problemError, TooOldError } from './errors.js';
import { EventReader } from './event-reader.js';
import { Held } from './held.js';
import { enqueueText, grantedJob, keepOf, readJob, stateOf } from './job-json.js';
import { JobReader } from './job-reader.js';
import { Link } from './link.js';
import { readConnection } from './options.js';
import { QueueMeta } from './queue-meta.js';
import { Ranges } from './ranges.js';
import { Registry } from './registry.js';
import { Sweeps } from './sweeps.js';
import { WorkWait } from './work-wait.js';
const NEVER = new Promise(() => undefined);
const BULK_OPS = 20_000, BULK_CHARS = 2_000_000; // one atomic request
const CLOSED = 'Connection is closed.'; // BullMQ's own words for it
export class RucheBackend extends EventEmitter {
    #name;
    #prefix;
    #opts;
    #role;
    #owner;
    #link;
    #coalescer;
    #jobs;
    #held = new Held();
    #ranges;
    #sweeps;
    #meta;
    #events;
    #work;
    #registry;
    #closing;
    minimumBlockTimeout = 0.001;
    maximumBlockTimeout = 60;
    keys = {};
    /** `owner`: the backend whose connection this sibling shares. */
    constructor(name, opts, role = {}, owner) {
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
        this.#sweeps = new Sweeps(this.#coalescer, this.#ranges, place);
        this.#meta = new QueueMeta(this.#coalescer, place);
        this.#events = new EventReader(this.#link, this.#coalescer, place);
        this.#work = new WorkWait(this.#link, place);
        this.#registry = new Registry(this.#link, place);
        if (!owner)
            for (const event of ['ready', 'error', 'close'])
                this.#link.on(event, (...args) => this.emit(event, ...args));
    }
    // ---- the connection ----
    async waitUntilReady() {
        await this.#guard(async () => {
            await this.#link.ready();
            if (this.#owner === this && this.#role.withBlockingConnection)
                await this.#registry.enter('worker', this.clientName(this.#opts.name ? `:w:${this.#opts.name}` : ''));
        });
    }
    get closing() {
        return this.#owner.#closing;
    }
    async close(force = false) {
        if (this.#owner !== this)
            return;
        this.#closing ??= this.#close(force);
        await this.#closing;
    }
    async #close(force) {
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
    async disconnect() {
        if (this.#owner !== this)
            return;
        this.#work.stop();
        this.#events.stop();
        await this.#registry.leave();
        this.#link.cut();
    }
    async setName(name) {
        await this.#guard(async () => {
            await this.#link.ready();
            await this.#registry.enter('events', name);
        });
    }
    forQueue(queueName, prefix) {
        return new RucheBackend(queueName, { ...this.#opts, prefix: prefix ?? this.#prefix }, this.#role, this.#owner);
    }
    /** What is asked after `close` began never settles; after `disconnect` it is refused. */
    async #guard(work) {
        if (this.closing)
            return NEVER;
        if (this.#link.isCut)
            throw new Error(CLOSED);
        try {
            return await work();
        }
        catch (error) {
            if (this.#link.isCut)
                return NEVER;
            throw error;
        }
    }
    /** One operation, with the others of this tick; its refusal in BullMQ's words. */
    async #do(op, saying) {
        return this.#guard(async () => {
            try {
                return await this.#coalescer.add(op);
            }
            catch (error) {
                throw error instanceof Refusal ? problemError(error.problem, saying) : error;
            }
        });
    }
    #once(op, saying) {
        return this.#do({ json: JSON.stringify(op), kind: 'once' }, saying);
    }
    #safe(op, saying) {
        return this.#do({ json: JSON.stringify(op), kind: 'safe' }, saying);
    }
    /** Which job: by uid where it is known. */
    #job(id) {
        const uid = this.#held.uid(id);
        return uid ? { uid } : { namespace: this.#prefix, queue: this.#name, id: String(id) };
    }
    get #place() {
        return { namespace: this.#prefix, queue: this.#name };
    }
    // ---- names ----
    get qualifiedName() {
        return `${this.#prefix}:${this.#name}`;
    }
    toKey(type) {
        return `${this.qualifiedName}:${type}`;
    }
    parseNodeKey(key) {
        const last = key.lastIndexOf(':'), before = key.lastIndexOf(':', last - 1);
        if (last < 0 || before < 0) {
            const [prefix = '', queueName = '', id = ''] = key.split(':');
            return { prefix, queueName, id };
        }
        return { prefix: key.slice(0, before), queueName: key.slice(before + 1, last), id: key.slice(last + 1) };
    }
    clientName(suffix = '') {
        return `${this.#prefix}:${Buffer.from(this.#name).toString('base64')}${suffix}`;
    }
    // ---- adding ----
    #enqueue(job, jobId, parentKeyOpts = {}) {
        if (job.parent || parentKeyOpts.parentKey || parentKeyOpts.addToWaitingChildren)
            throw notYet('parents and children (flows)');
        return enqueueText(this.#prefix, this.#name, job, jobId, []);
    }
    async addJob(job, jobId, parentKeyOpts) {
        const json = this.#enqueue(job, jobId, parentKeyOpts);
        const result = await this.#do({ json, kind: 'once' }, { command: 'addJob', jobId, parentKey: parentKeyOpts?.parentKey });
        return this.#added(result);
    }
    #added(result) {
        const { id, uid } = result;
        if (typeof uid === 'string')
            this.#held.learn(String(id), uid);
        return String(id);
    }
    async addJobs(entries) {
        const texts = entries.map(({ job, jobId, parentKeyOpts }) => this.#enqueue(job, jobId, parentKeyOpts));
        return this.#guard(async () => {
            const parts = await Promise.all(bundles(texts).map((bundle) => this.#coalescer.addAtomic(bundle)));
            return parts.flat().map((result) => this.#added(result));
        });
    }
    addFlow() {
        return Promise.reject(notYet('flows (FlowProducer.add)'));
    }
    // ---- work ----
    #claim(token, name) {
        const { lockDuration, limiter } = this.#opts;
        return {
            queues: [this.#place], max: 1, compat: 'bullmq',
            ...(token ? { token } : {}),
            ...(name ? { worker: name } : {}),
            ...(lockDuration ? { lease_ms: lockDuration } : {}),
            ...(limiter ? { limiter: { max: limiter.max, per_ms: limiter.duration } } : {}),
        };
    }
    /** BullMQ's tuple: [job, id, milliseconds that the rate limit lasts, when the next delayed job is due]. */
    #taken(claim, worker) {
        const limit = Math.max(0, claim.rate_ttl_ms ?? 0);
        const grant = claim.jobs[0];
        if (!grant)
            return [null, null, limit, claim.next_due_ms === null ? 0 : Date.now() + claim.next_due_ms];
        const job = grantedJob(grant, worker);
        this.#held.take(grant, job);
        return [job, grant.id, limit, 0];
    }
    async moveToActive(token, name) {
        const json = JSON.stringify({ op: 'claim', ...this.#claim(token, name) });
        const claim = await this.#do({ json, kind: 'claims' }, { command: 'moveToActive' });
        return this.#taken(claim, name);
    }
    /** The end of an attempt, with the next claim in the same change-set. Answers BullMQ's next job data. */
    async #end(op, tail, jobId, ended, fetchNext, command) {
        const text = `${JSON.stringify({ ...op, ...this.#job(jobId) }).slice(0, -1)}${tail}`;
        const { name } = this.#opts;
        const unclaimed = `${text}}`;
        const claims = fetchNext && !this.closing;
        const token = op['token'];
        const operation = claims
            ? { json: `${text},"claim":${JSON.stringify(this.#claim(token, name))}}`, kind: 'claims', unclaimed }
            : { json: unclaimed, kind: 'safe' };
        const fence = this.#held.fence(jobId);
        let result;
        try {
            result = await this.#guard(() => this.#coalescer.add(operation));
        }
        catch (error) {
            if (!(error instanceof Refusal))
                throw error;
            if (!error.repeated || !await this.#wentThrough(jobId, fence, ended))
                throw problemError(error.problem, { command, jobId, state: 'active' });
            return [];
        }
        const claim = result['claim'];
        if (claim?.problem)
            throw problemError(claim.problem, { command: 'moveToActive' });
        return claim ? this.#taken(claim, name) : [];
    }
    /** An end whose answer was lost was repeated and refused: was it the first time that did it? Only one end is accepted a fence. */
    async #wentThrough(jobId, fence, ended) {
        const job = await this.#jobs.read(jobId, false);
        return !job || (job.fence === fence && ended.includes(job.state));
    }
    async moveToCompleted(job, returnValue, removeOnComplete, token, fetchNext) {
        const result = JSON.stringify(returnValue) ?? 'null';
        const op = { op: 'complete', token, keep: keepOf(removeOnComplete, this.#opts.removeOnComplete), ...this.#metricMinutes() };
        const finishedOn = Date.now();
        const next = await this.#end(op, `,"result":${result}`, job.id, ['completed'], fetchNext, 'moveToFinished');
        return { result: next, finishedOn };
    }
    async moveToFailed(job, failedReason, removeOnFail, token, fetchNext, fieldsToUpdate) {
        const error = this.#held.error(job.id, { failedReason: failedReason ?? 'null', ...fieldsToUpdate });
        const op = { op: 'fail', token, verdict: 'final', error, keep: keepOf(removeOnFail, this.#opts.removeOnFail), ...this.#metricMinutes() };
        const finishedOn = Date.now();
        const next = await this.#end(op, '', job.id, ['failed'], fetchNext, 'moveToFinished');
        return { result: next, finishedOn };
    }
    #metricMinutes() {
        const minutes = this.#opts.metrics?.maxDataPoints;
        return minutes ? { metric_minutes: minutes } : {};
    }
    async moveToDelayed(jobId, timestamp, delay, token = '0', opts = {}) {
        const { skipAttempt, fieldsToUpdate, fetchNext } = opts;
        const error = fieldsToUpdate ? { error: this.#held.error(jobId, fieldsToUpdate) } : {};
        const op = skipAttempt
            ? { op: 'snooze', token, run_at: new Date(timestamp + delay).toISOString() }
            : { op: 'fail', token, verdict: { delay_ms: Math.max(0, Math.trunc(delay)) }, ...error };
        return this.#end(op, '', jobId, ['delayed', 'waiting'], Boolean(fetchNext), 'moveToDelayed');
    }
    moveToWaitingChildren() {
        return Promise.reject(notYet('children (Job.moveToWaitingChildren)'));
    }
    async moveJobFromActiveToWait(jobId, token = '0') {
        const result = await this.#safe({ op: 'release', ...this.#job(jobId), token }, { command: 'moveJobFromActiveToWait', jobId, state: 'active' });
        return Math.max(0, Number(result['rate_ttl_ms'] ?? 0));
    }
    async retryJob(jobId, lifo, token = '0', opts = {}) {
        const { fieldsToUpdate } = opts;
        const error = fieldsToUpdate ? { error: this.#held.error(jobId, fieldsToUpdate) } : {};
        await this.#end({ op: 'fail', token, verdict: lifo ? 'head' : 'tail', ...error }, '', jobId, ['waiting'], false, 'retryJob');
    }
    async moveStalledJobsToWait() {
        const { stalledInterval, maxStalledCount } = this.#opts;
        const op = { op: 'sweep', ...this.#place, interval_ms: stalledInterval, max_stalls: maxStalledCount };
        const result = await this.#safe(op, { command: 'moveStalledJobsToWait' });
        return result['ids'];
    }
    async extendLock(jobId, token, duration) {
        const lost = await this.extendLocks([jobId], [token], duration);
        return lost.length ? 0 : 1;
    }
    async extendLocks(jobIds, tokens, duration) {
        return this.#guard(async () => {
            const kept = await Promise.all(jobIds.map(async (jobId, i) => {
                const json = JSON.stringify({ op: 'heartbeat', ...this.#job(jobId), token: tokens[i], lease_ms: duration });
                try {
                    await this.#coalescer.add({ json, kind: 'safe' });
                    return true;
                }
                catch (error) {
                    if (error instanceof Refusal)
                        return false;
                    throw error;
                }
            }));
            return jobIds.filter((_, i) => !kept[i]);
        });
    }
    waitForJob(blockTimeout) {
        return this.#guard(() => this.#work.wait(blockTimeout * 1000));
    }
    async disconnectBlocking() {
        this.#work.stop();
    }
    async reconnectBlocking() {
        this.#work.allow();
    }
    // ---- one job ----
    async retryFinishedJob(job, state, opts = {}) {
        await this.#once({
            op: 'retry', ...this.#job(job.id), only_state: state, keep_attempts: !opts.resetAttemptsMade,
            ...(opts.resetAttemptsStarted ? { reset_started: true } : {}), ...(job.opts.lifo ? { lifo: true } : {}),
        }, { command: 'reprocessJob', jobId: job.id, state });
    }
    async promote(jobId) {
        await this.#once({ op: 'promote', ...this.#job(jobId) }, { command: 'promote', jobId, state: 'delayed' });
    }
    async updateData(job, data) {
        const json = `${JSON.stringify({ op: 'edit', ...this.#job(job.id) }).slice(0, -1)},"payload":${JSON.stringify(data) ?? 'null'}}`;
        await this.#do({ json, kind: 'safe' }, { command: 'updateData', jobId: job.id });
    }
    async updateProgress(jobId, progress) {
        await this.#safe({ op: 'progress', ...this.#job(jobId), progress }, { command: 'updateProgress', jobId });
    }
    async addLog(jobId, logRow, keepLogs) {
        const op = { op: 'log', ...this.#job(jobId), line: String(logRow), ...(keepLogs ? { keep: keepLogs } : {}) };
        await this.#once(op, { command: 'addLog', jobId });
        return (await this.getJobLogs(jobId, 0, 0, true)).count;
    }
    async clearLogs(jobId, keepLogs) {
        await this.#orNothing(this.#safe({ op: 'log', ...this.#job(jobId), keep: keepLogs ?? 0 }, { command: 'clearLogs', jobId }));
    }
    async changeDelay(jobId, delay) {
        await this.#safe({ op: 'reschedule', ...this.#job(jobId), delay_ms: Math.trunc(delay) }, { command: 'changeDelay', jobId, state: 'delayed' });
    }
    async changePriority(jobId, priority = 0, lifo = false) {
        const op = { op: 'reprioritise', ...this.#job(jobId), priority, ...(lifo ? { lifo } : {}) };
        await this.#safe(op, { command: 'changePriority', jobId, state: 'waiting or delayed' });
    }
    async remove(jobId, _removeChildren) {
        try {
            await this.#once({ op: 'delete', ...this.#job(jobId) }, { command: 'removeJob', jobId });
        }
        catch (error) {
            const { code } = error;
            if (code === ErrorCode.JobNotInState) // it runs
                return 0;
            if (code !== ErrorCode.JobNotExist)
                throw error;
        }
        this.#held.forget(jobId);
        return 1;
    }
    removeUnprocessedChildren() {
        return Promise.reject(notYet('children (Job.removeUnprocessedChildren)'));
    }
    removeChildDependency() {
        return Promise.reject(notYet('children (Job.removeChildDependency)'));
    }
    async getState(jobId) {
        return stateOf(await this.#look(jobId, false));
    }
    #look(jobId, whole) {
        return this.#guard(() => this.#jobs.read(String(jobId), whole));
    }
    async isFinished(jobId, returnValue = false) {
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
    async isJobInState(state, jobId) {
        if (!KNOWN_STATES.has(state))
            throw new Error(`Unknown job state: ${state}`);
        return stateOf(await this.#look(jobId, false)) === (state === 'wait' ? 'waiting' : state);
    }
    async getJobData(jobId) {
        const job = await this.#look(jobId, true);
        return job ? readJob(job) : undefined;
    }
    async getJobLogs(jobId, start, end, asc) {
        return this.#guard(async () => {
            const uid = this.#held.uid(jobId) ?? (await this.#jobs.read(String(jobId), false))?.uid;
            await this.#coalescer.settled();
            return uid ? this.#ranges.logs(uid, start, end, asc) : { logs: [], count: 0 };
        });
    }
    // ---- dedup ----
    async getDeduplicationJobId(deduplicationId) {
        const result = await this.#orNothing(this.#safe({ op: 'dedup_get', ...this.#place, key: deduplicationId }, { command: 'getDeduplicationJobId' }));
        return result?.['count'] ? String(result['id']) : null;
    }
    async deleteDeduplicationKey(deduplicationId) {
        const result = await this.#orNothing(this.#once({ op: 'dedup_release', ...this.#place, key: deduplicationId }, { command: 'deleteDeduplicationKey' }));
        return Number(result?.['count'] ?? 0);
    }
    async removeDeduplicationKey(deduplicationId, jobId) {
        const uid = this.#held.uid(jobId) ?? (await this.#look(jobId, false))?.uid;
        if (!uid)
            return 0;
        const op = { op: 'dedup_release', ...this.#place, key: deduplicationId, uid };
        const result = await this.#orNothing(this.#once(op, { command: 'removeDeduplicationKey', jobId }));
        return Number(result?.['count'] ?? 0);
    }
    /** What is not there is nothing to BullMQ: no error. */
    async #orNothing(result) {
        try {
            return await result;
        }
        catch (error) {
            if (error.code === ErrorCode.JobNotExist)
                return undefined;
            throw error;
        }
    }
    // ---- the queue ----
    async #queue(op = {}) {
        return this.#guard(() => this.#meta.get(op));
    }
    async isMaxed() {
        const queue = await this.#queue();
        const most = queue?.settings.concurrency ?? 0;
        return most > 0 && queue.states['active'] >= most;
    }
    async getCounts(types, delayedTimestamp) {
        if (delayedTimestamp !== undefined)
            return Promise.all(types.map((type) => this.#guard(() => this.#ranges.count(type, type === 'delayed' ? delayedTimestamp : undefined))));
        const queue = await this.#queue();
        return types.map((type) => (queue ? countOf(queue, type) : 0));
    }
    async getCountsPerPriority(priorities) {
        const queue = priorities.length ? await this.#queue({ priorities }) : undefined;
        return priorities.map((priority) => queue?.priorities?.find((row) => row.priority === priority)?.['waiting'] ?? 0);
    }
    async getRanges(types, start = 0, end = 1, asc = false) {
        const lists = await this.#guard(() => Promise.all(types.map((type) => this.#ranges.ids(type, start, end, asc))));
        return lists;
    }
    async getRateLimitTtl(maxJobs) {
        const queue = await this.#queue(maxJobs === undefined ? {} : { rate_max: maxJobs });
        if (queue && queue.rate_ttl_ms === undefined)
            throw new TooOldError('this daemon does not tell how long a rate limit lasts (rate_ttl_ms)');
        return queue?.rate_ttl_ms ?? -2;
    }
    async pause(pause) {
        await this.#guard(() => this.#meta.pause(pause));
    }
    async drain(delayed) {
        await this.#guard(() => this.#sweeps.drain(delayed));
    }
    async cleanJobsByState(state, timestamp, limit = 0) {
        return this.#guard(() => this.#sweeps.clean(state, timestamp, limit));
    }
    async obliterate(opts) {
        const queue = await this.#queue();
        if (queue && !queue.paused)
            throw new Error('Cannot obliterate non-paused queue');
        if (queue?.states['active'] && !opts.force)
            throw new Error('Cannot obliterate queue with active jobs');
        return queue ? this.#guard(() => this.#sweeps.obliterate(opts.count)) : 0;
    }
    async retryFinishedJobs(state = 'failed', count = 1000, timestamp = Date.now()) {
        return this.#guard(() => this.#sweeps.retry(state, count, timestamp));
    }
    async promoteJobs(count = 1000) {
        return this.#guard(() => this.#sweeps.promote(count));
    }
    async removeOrphanedJobs() {
        return 0; // there are none: a job and its place are one row
    }
    async removeDeprecatedPriorityKey() {
        return 0;
    }
    async setRateLimit(expireTimeMs) {
        await this.#safe({ op: 'back_off', ...this.#place, delay_ms: Math.trunc(expireTimeMs) }, { command: 'setRateLimit' });
    }
    async removeRateLimitKey() {
        const ttl = await this.getRateLimitTtl();
        await this.setRateLimit(0);
        return ttl > 0 ? 1 : 0;
    }
    async getMetrics(type, start = 0, end = -1) {
        return this.#guard(() => this.#ranges.metrics(type, start, end));
    }
    async getClientList() {
        return this.#guard(() => this.#registry.list());
    }
    setQueueMeta(values) {
        return this.#guard(() => this.#meta.set(values));
    }
    async getQueueMeta() {
        return this.#guard(() => this.#meta.all());
    }
    async getQueueMetaField(field) {
        return (await this.getQueueMeta())[field] ?? null;
    }
    async getQueueMetaFields(fields) {
        const meta = await this.getQueueMeta();
        return fields.map((field) => meta[field] ?? null);
    }
    async removeQueueMetaFields(fields) {
        return this.#guard(() => this.#meta.remove(fields));
    }
    async hasQueueMetaField(field) {
        return field in await this.getQueueMeta();
    }
    // ---- events ----
    async trimEvents(maxLength) {
        const result = await this.#safe({ op: 'events_trim', ...this.#place, keep: maxLength }, { command: 'trimEvents' });
        return Number(result['count'] ?? 0);
    }
    async publishEvent(fields, maxEvents) {
        const { event, ...details } = fields;
        await this.#once({ op: 'event', ...this.#place, name: String(event), details }, { command: 'publishEvent' });
        void maxEvents; // the queue's own bound holds (opts.maxLenEvents)
        return '';
    }
    readEvents(id, blockTimeout) {
        return this.#guard(() => this.#events.read(id, blockTimeout, this.toKey('events')));
    }
    // ---- schedulers and flows: not yet ----
    addJobScheduler() {
        return Promise.reject(notYet('job schedulers (Queue.upsertJobScheduler)'));
    }
    updateJobSchedulerNextMillis() {
        return Promise.reject(notYet('job schedulers'));
    }
    removeJobScheduler() {
        return Promise.reject(notYet('job schedulers (Queue.removeJobScheduler)'));
    }
    getJobScheduler() {
        return Promise.reject(notYet('job schedulers (Queue.getJobScheduler)'));
    }
    isJobScheduler() {
        return Promise.reject(notYet('job schedulers'));
    }
    getJobSchedulerData() {
        return Promise.reject(notYet('job schedulers'));
    }
    getJobSchedulersRange() {
        return Promise.reject(notYet('job schedulers (Queue.getJobSchedulers)'));
    }
    getJobSchedulersCount() {
        return Promise.reject(notYet('job schedulers (Queue.getJobSchedulersCount)'));
    }
    getDependencyCounts() {
        return Promise.reject(notYet('children (Job.getDependenciesCount)'));
    }
    getDependencies() {
        return Promise.reject(notYet('children (Job.getDependencies)'));
    }
    getProcessedChildrenValues() {
        return Promise.reject(notYet('children (Job.getChildrenValues)'));
    }
    getIgnoredChildrenFailures() {
        return Promise.reject(notYet('children (Job.getIgnoredChildrenFailures)'));
    }
    paginate() {
        return Promise.reject(notYet('children (Queue.getDependencies)'));
    }
}
const KNOWN_STATES = new Set(['waiting', 'wait', 'active', 'prioritized', 'completed', 'failed', 'delayed', 'waiting-children']);
function notYet(what) {
    return Object.assign(new Error(`@ruche/bullmq cannot do ${what} yet: nothing was changed`), { code: 'not_supported' });
}
function countOf(queue, type) {
    const { states, prioritised } = queue;
    switch (type) {
        case 'waiting':
        case 'wait': return (states['waiting'] ?? 0) - prioritised;
        case 'prioritized': return prioritised;
        case 'waiting-children': return states['waiting_children'] ?? 0;
        case 'paused':
        case 'repeat': return 0; // no states of BullMQ 6
        default: return states[type] ?? 0;
    }
}
/** As many of the texts as one atomic request takes, and so on. */
function bundles(texts) {
    const made = [];
    let chars = 0;
    for (const text of texts) {
        chars += text.length;
        if (!made.length || chars > BULK_CHARS || made.at(-1).length === BULK_OPS) {
            made.push([]);
            chars = text.length;
        }
        made.at(-1).push(text);
    }
    return made;
}
