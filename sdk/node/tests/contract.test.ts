import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Attempt, Child, ChainJob, ChainSchedule, ChainView, EnqueueOptions, Explanation, GroupSettings, GroupView, HttpTarget, Job, JobView, OperationView, ParentView, QueueSettings, QueueStats, Rate, RetryPolicy } from 'ruche';
import { startRuche } from 'ruche/test';

// The compiler checks that every field of the type is named; the test, that the daemon knows it.
type Fields<T> = Record<keyof Required<T>, true>;

const objects: Record<string, Record<string, true>> = {
	Enqueue: {
		id: true, name: true, group: true, priority: true, delayMs: true, runAt: true, lifo: true, maxAttempts: true, retry: true, timeoutMs: true, ttlMs: true,
		tags: true, trace: true, http: true, parents: true, waits: true,
	} satisfies Fields<EnqueueOptions>,
	RetryPolicy: {
		kind: true, maxAttempts: true, delayMs: true, factor: true, listMs: true, maxDelayMs: true, jitter: true, jitterRatio: true,
	} satisfies Fields<RetryPolicy>,
	Rate: { max: true, perMs: true } satisfies Fields<Rate>,
	HttpTarget: { url: true, method: true, headers: true, timeoutMs: true, success: true, retry: true, final: true } satisfies Fields<HttpTarget>,
	QueueSettings: {
		target: true, http: true, retry: true, timeoutMs: true, ttlMs: true, leaseMs: true, maxStalls: true, concurrency: true, groupConcurrency: true, rate: true,
		groupRate: true, keepCompleted: true, keepFailed: true, riseAfterMs: true, metadata: true,
	} satisfies Fields<QueueSettings>,
	GroupSettings: { concurrency: true, rate: true, weight: true } satisfies Fields<GroupSettings>,
	Job: {
		uid: true, id: true, queue: true, namespace: true, name: true, group: true, state: true, outcome: true, cancelRequested: true, priority: true, lifo: true,
		attemptsStarted: true, attemptsMade: true, maxAttempts: true, stalls: true, fence: true, timeoutMs: true, ttlMs: true, createdAt: true, dueAt: true,
		startedAt: true, finishedAt: true, worker: true, chain: true, tags: true, trace: true, http: true, progress: true, error: true, payloadBytes: true,
		payloadEdited: true, resultBytes: true, payload: true, originalPayload: true, result: true, parents: true,
	} satisfies Fields<JobView>,
	Child: { uid: true, id: true, queue: true, namespace: true, state: true, onFailure: true, value: true } satisfies Fields<Child>,
	JobParent: { uid: true, id: true, queue: true, namespace: true, onFailure: true, state: true } satisfies Fields<ParentView>,
	Grant: {
		uid: true, id: true, queue: true, namespace: true, name: true, group: true, payload: true, tags: true, trace: true, createdAt: true, attempt: true,
		attemptsMade: true, maxAttempts: true, stalls: true, priority: true, fence: true, leaseMs: true, timeoutMs: true,
	} satisfies Fields<Job>,
	Explanation: {
		uid: true, state: true, code: true, text: true, untilAt: true, ahead: true, active: true, limit: true, worker: true,
	} satisfies Fields<Explanation>,
	Attempt: {
		number: true, fence: true, startedAt: true, finishedAt: true, tookMs: true, next: true, retryAt: true, worker: true, error: true, exchange: true,
	} satisfies Fields<Attempt>,
	Queue: {
		name: true, namespace: true, paused: true, states: true, oldestWaitingAt: true, nextDueAt: true, groups: true, groupsReady: true, waiters: true,
		enqueued: true, started: true, ended: true, enqueuedPerS: true, startedPerS: true, completedPerS: true, failedPerS: true, waitMs: true, runMs: true,
		priorities: true, settings: true, version: true, createdAt: true,
	} satisfies Fields<QueueStats>,
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

test('what the types name is what the daemon serves in its OpenAPI document', async () => {
	const server = await startRuche();
	const { components } = await (await fetch(`${server.url}/v1/openapi.json`)).json() as { components: { schemas: Record<string, { properties: object }> } };
	await server.stop();
	for (const [name, fields] of Object.entries(objects)) {
		const served = Object.keys(components.schemas[name]!.properties);
		const unknown = Object.keys(fields).map((field) => field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)).filter((field) => !served.includes(field));
		assert.deepEqual(unknown, [], name);
	}
});
