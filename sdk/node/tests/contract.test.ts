import assert from 'node:assert/strict';
import { test } from 'node:test';
import type {
	Attempt, Child, ChainJob, ChainSchedule, ChainView, Dedup, DedupOwner, EnqueueOptions, Explanation, GroupSettings, GroupView, HttpTarget, Job, JobView,
	LimitSettings, LimitView, MinuteCounts, OperationView, ParentView, PermitOptions, QueueSettings, QueueStats, Rate, RetryPolicy, WorkerView,
} from 'ruche';
import { startRuche } from 'ruche/test';

const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

// The compiler checks that every field of the type is named; the test, that the daemon knows it.
type Fields<T> = Record<keyof Required<T>, true>;

const objects: Record<string, Record<string, true>> = {
	Enqueue: {
		id: true, name: true, group: true, priority: true, delayMs: true, runAt: true, lifo: true, maxAttempts: true, retry: true, timeoutMs: true, ttlMs: true,
		tags: true, trace: true, http: true, parents: true, waits: true, dedup: true, metadata: true,
	} satisfies Fields<EnqueueOptions>,
	Dedup: {
		key: true, ttlMs: true, extend: true, replace: true, reschedule: true, maxWaitMs: true, keepLast: true, latest: true, fifo: true,
	} satisfies Fields<Dedup>,
	DedupKey: { uid: true, id: true, untilAt: true, nextUid: true } satisfies Fields<DedupOwner>,
	RetryPolicy: {
		kind: true, maxAttempts: true, delayMs: true, factor: true, listMs: true, maxDelayMs: true, jitter: true, jitterRatio: true,
	} satisfies Fields<RetryPolicy>,
	Rate: { max: true, perMs: true, window: true } satisfies Fields<Rate>,
	HttpTarget: { url: true, method: true, headers: true, timeoutMs: true, success: true, retry: true, final: true } satisfies Fields<HttpTarget>,
	QueueSettings: {
		target: true, http: true, retry: true, timeoutMs: true, ttlMs: true, leaseMs: true, maxStalls: true, concurrency: true, groupConcurrency: true, rate: true,
		groupRate: true, keepCompleted: true, keepFailed: true, riseAfterMs: true, metadata: true, limits: true, retryAfter: true,
		eventsMax: true, metricMinutes: true, ids: true,
	} satisfies Fields<QueueSettings>,
	GroupSettings: { concurrency: true, rate: true, weight: true, limits: true } satisfies Fields<GroupSettings>,
	LimitSettings: { rate: true, concurrency: true, penaltyMsMax: true } satisfies Fields<LimitSettings>,
	Limit: {
		name: true, namespace: true, active: true, held: true, waiting: true, code: true, untilAt: true, settings: true,
	} satisfies Fields<LimitView>,
	LimitAcquire: { token: true, units: true, leaseMs: true } satisfies Fields<PermitOptions>,
	Job: {
		uid: true, id: true, queue: true, namespace: true, name: true, group: true, state: true, outcome: true, cancelRequested: true, priority: true, lifo: true,
		attemptsStarted: true, attemptsMade: true, maxAttempts: true, stalls: true, fence: true, timeoutMs: true, ttlMs: true, createdAt: true, dueAt: true,
		startedAt: true, finishedAt: true, worker: true, chain: true, tags: true, trace: true, http: true, progress: true, error: true, payloadBytes: true,
		payloadEdited: true, resultBytes: true, redone: true, metadata: true, payload: true, originalPayload: true, result: true, parents: true,
	} satisfies Fields<JobView>,
	Child: { uid: true, id: true, queue: true, namespace: true, state: true, onFailure: true, value: true } satisfies Fields<Child>,
	JobParent: { uid: true, id: true, queue: true, namespace: true, onFailure: true, state: true } satisfies Fields<ParentView>,
	Grant: {
		uid: true, id: true, queue: true, namespace: true, name: true, group: true, payload: true, tags: true, trace: true, createdAt: true, attempt: true,
		attemptsMade: true, maxAttempts: true, stalls: true, priority: true, fence: true, leaseMs: true, timeoutMs: true, metadata: true, chain: true,
	} satisfies Fields<Job>,
	Explanation: {
		uid: true, state: true, code: true, text: true, untilAt: true, ahead: true, active: true, limit: true, limitName: true, worker: true,
	} satisfies Fields<Explanation>,
	Attempt: {
		number: true, fence: true, startedAt: true, finishedAt: true, tookMs: true, next: true, retryAt: true, worker: true, error: true, exchange: true,
	} satisfies Fields<Attempt>,
	Queue: {
		name: true, namespace: true, paused: true, states: true, oldestWaitingAt: true, nextDueAt: true, groups: true, groupsReady: true, waiters: true,
		enqueued: true, started: true, ended: true, enqueuedPerS: true, startedPerS: true, completedPerS: true, failedPerS: true, waitMs: true, runMs: true,
		priorities: true, settings: true, version: true, createdAt: true,
	} satisfies Fields<QueueStats>,
	MetricSeries: { count: true, minuteAt: true, countBefore: true, points: true, total: true } satisfies Fields<MinuteCounts>,
	Worker: {
		id: true, queue: true, namespace: true, name: true, kind: true, address: true, ageMs: true, silentMs: true, ttlMs: true,
	} satisfies Fields<WorkerView>,
	Group: { key: true, paused: true, waiting: true, active: true, delayed: true, code: true, settings: true } satisfies Fields<GroupView>,
	Chain: {
		key: true, queue: true, namespace: true, schedule: true, job: true, payload: true, metadata: true, nextAt: true, nextUid: true, offsetMs: true, count: true,
	} satisfies Fields<ChainView>,
	ChainSchedule: {
		everyMs: true, offsetMs: true, pattern: true, tz: true, immediately: true, startAt: true, endAt: true, limit: true,
	} satisfies Fields<ChainSchedule>,
	ChainJob: {
		name: true, group: true, priority: true, lifo: true, maxAttempts: true, retry: true, timeoutMs: true, ttlMs: true, tags: true, http: true,
	} satisfies Fields<ChainJob>,
	Operation: {
		uid: true, action: true, state: true, done: true, skipped: true, failed: true, createdAt: true, finishedAt: true,
	} satisfies Fields<OperationView>,
};

/** What the daemon serves beside it, and why no type here names it. */
const left: Record<string, readonly string[]> = {
	Enqueue: ['queue', 'namespace', 'payload', 'compat', 'past'],             // said otherwise; for BullMQ's programs; for migrations
	DedupKey: ['key', 'count'],                                               // known; null
	QueueSettings: ['compat'],
	Job: ['delivery', 'hold', 'deferred', 'errors'],                          // of webhooks; of BullMQ's queues; see `attempts`
	Grant: ['started_at', 'progress', 'errors', 'deferred', 'parents'],       // of BullMQ's queues
	Queue: ['prioritised', 'rate_ttl_ms'],
	Chain: ['next_id'],
	Operation: ['filter', 'arguments'],                                       // what the caller said
};

test('the types name what the daemon serves in its OpenAPI document: nothing else, and all but what is listed here', async () => {
	const server = await startRuche();
	const { components } = await (await fetch(`${server.url}/v1/openapi.json`)).json() as { components: { schemas: Record<string, { properties: object }> } };
	await server.stop();
	for (const [name, fields] of Object.entries(objects)) {
		const served = Object.keys(components.schemas[name]!.properties);
		const unknown = Object.keys(fields).map(snake).filter((field) => !served.includes(field));
		assert.deepEqual(unknown, [], name);
		const named = new Set(Object.keys(fields).map(snake));
		assert.deepEqual(served.filter((field) => !named.has(field)), served.filter((field) => left[name]?.includes(field)), name);
	}
});
