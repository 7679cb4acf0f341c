import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import {
	InvalidFieldError, JobCancelled, JobEndedError, JobTimedOut, LeaseLost, NonRetryableError, RetryAfterError, SnoozeError, UnrecoverableError, type JobAbort,
} from 'ruche';
import { startRuche } from 'ruche/test';
import { Proxy } from './proxy.js';
import { through } from './through.js';
import { aborted, block, Gate, rows } from './waiting.js';

const server = await startRuche({ client: { heartbeatMs: 50 } });
const { ruche } = server;
after(() => server.stop());

test('a handler gets the job, logs, tells progress, and returns the result', async () => {
	const mail = ruche.queue<{ to: string }, { sent: string }>('mail');
	const worker = ruche.worker(mail, (job, { log, progress, signal }) => {
		log(`to ${job.payload.to}`);
		log('x'.repeat(9_000) + '🐝');
		progress({ percent: 50 });
		assert.equal(signal.aborted, false);
		assert.deepEqual([job.queue, job.name, job.attempt, job.maxAttempts, job.leaseMs], ['mail', 'welcome', 1, 3, 30_000]);
		return { sent: job.payload.to.toUpperCase() };
	});
	const job = await mail.enqueue({ to: 'a@b.fr' }, { name: 'welcome' });
	const result: { sent: string } = await job.result();
	assert.deepEqual(result, { sent: 'A@B.FR' });
	const lines = await rows(job.logs());
	assert.equal(lines.length, 2);
	assert.equal(lines[0]!.line, 'to a@b.fr');
	assert.match(lines[1]!.line, /^x+…$/);
	const view = await job.get();
	assert.deepEqual(view.progress, { percent: 50 });
	assert.equal(view.worker, worker.name);
	await worker.close();
});

test('nothing returned is a null result; a result that is no JSON fails for good', async () => {
	const queue = ruche.queue<string, unknown>('results');
	const worker = ruche.worker(queue, (job, { filtered }) => job.payload === 'filtered' ? filtered() : job.payload === 'nothing' ? undefined : job.payload === 'large' ? 'x'.repeat(5_000_000) : 10n);
	assert.equal(await (await queue.enqueue('nothing')).result(), null);
	assert.equal((await server.ended(await queue.enqueue('filtered'))).outcome, 'filtered');
	for (const payload of ['bigint', 'large']) {
		const view = await server.ended(await queue.enqueue(payload));
		assert.deepEqual([view.state, view.outcome, view.error?.type], ['failed', 'final_error', 'NonRetryableError']);
		assert.match(view.error!.message!, /the result cannot be kept/);
	}
	await worker.close();
});

test('an error may hold back others: the queue, or the group', async () => {
	for (const [backOff, thrown] of [['queue', RetryAfterError], ['group', SnoozeError]] as const) {
		const queue = ruche.queue<number>(`crowded-${backOff}`), told = new Gate();
		const worker = ruche.worker(queue, () => {
			told.open();
			throw new thrown(3_600_000, 'they ask to wait', { backOff });
		});
		const first = await queue.enqueue(1, { group: 'g' });
		await told.passed;
		await worker.close(); // what it has to say is said
		assert.equal((await first.get()).state, 'delayed');
		const codes = await Promise.all(['g', 'other'].map(async (group) => (await (await queue.enqueue(2, { group })).explain()).code));
		assert.deepEqual([codes[0], codes[1] === 'backed_off'], ['backed_off', backOff === 'queue']);
	}
});

test('a limit that is not there holds nobody back: the worker says so, and what became of the job is told all the same', async () => {
	const queue = ruche.queue<number>('crowded-nowhere'), both = new Gate(), told: unknown[] = [];
	const worker = ruche.worker(queue, ({ payload }) => {
		if (payload === 2)
			both.open();
		throw payload === 1 ? new RetryAfterError(3_600_000, 'they ask to wait', { backOff: 'nowhere' }) : new SnoozeError(3_600_000, 'later', { backOff: '' });
	}, { concurrency: 1 });
	worker.on('error', (error) => told.push((error as InvalidFieldError).field));
	const jobs = await queue.enqueueMany([{ payload: 1 }, { payload: 2 }]);
	await both.passed;
	await worker.close();
	assert.deepEqual(await Promise.all(jobs.map(async (job) => (await job.get()).state)), ['delayed', 'delayed']);
	assert.deepEqual(told, ['back_off.scope', 'back_off.scope']);
});

test('errors: by policy, for good, after a while, snoozed; strange things thrown', async () => {
	const queue = ruche.queue<string, string>('errors');
	await queue.configure({ retry: { kind: 'fixed', delayMs: 1, maxAttempts: 2, jitter: 'none' } });
	let snoozed = 0;
	const failures: unknown[] = [];
	const worker = ruche.worker(queue, (job) => {
		switch (job.payload) {
		case 'policy': throw new TypeError('no');
		case 'final': throw new NonRetryableError('never');
		case 'unrecoverable': throw new UnrecoverableError('never');
		case 'after': throw new RetryAfterError(7_200_000, 'busy');
		case 'snooze': if (snoozed++) return 'slept'; throw new SnoozeError(1);
		case 'text': throw 'only text'; // eslint-disable-line
		case 'nothing': throw undefined; // eslint-disable-line
		case 'circular': { const circle: Record<string, unknown> = {}; circle['self'] = circle; throw circle; } // eslint-disable-line
		default: throw Object.assign(new Error(`half ${'\ud83d'} nul \0 ${'y'.repeat(40_000)}`), { name: 'Odd\ud83d' });
		}
	});
	worker.on('failed', (_, error) => failures.push(error));
	const policy = await server.ended(await queue.enqueue('policy'));
	assert.deepEqual([policy.outcome, policy.attemptsMade, policy.error?.type, policy.error?.message], ['attempts_spent', 2, 'TypeError', 'no']);
	assert.match(policy.error!.stack!, /worker\.test/);
	assert.ok(failures[0] instanceof TypeError);
	for (const payload of ['final', 'unrecoverable']) {
		const final = await server.ended(await queue.enqueue(payload));
		assert.deepEqual([final.outcome, final.attemptsMade], ['final_error', 1]);
	}
	const events = queue.events({ types: ['retrying'] });
	await events.ready();
	const afterJob = await queue.enqueue('after');
	for await (const event of events)
		if (event.uid === afterJob.uid)
			break;
	const later = await afterJob.get();
	assert.equal(later.state, 'delayed');
	assert.ok(Date.parse(later.dueAt!) - Date.now() > 7_000_000);
	const slept = await server.ended(await queue.enqueue('snooze'));
	assert.deepEqual([slept.result, slept.attemptsMade, slept.attemptsStarted], ['slept', 1, 2]);
	for (const [payload, message] of [['text', /^only text$/], ['nothing', /^undefined$/], ['circular', /object Object/], ['odd', /^half . nul . yyy/]] as const) {
		const view = await server.ended(await queue.enqueue(payload));
		assert.match(view.error!.message!, message);
	}
	await assert.rejects((await queue.enqueue('final')).result(), (error: JobEndedError) => error.code === 'job_failed' && error.error?.message === 'never');
	await worker.close();
});

test('handlers by name; a name that nobody knows is an ordinary failure', async () => {
	const queue = ruche.queue('named', { defaults: { maxAttempts: 1 } });
	const worker = ruche.worker<unknown, string>('named', { welcome: () => 'hello', farewell: () => 'bye' });
	assert.equal(await (await queue.enqueue(1, { name: 'welcome' })).result(), 'hello');
	assert.equal(await (await queue.enqueue(1, { name: 'farewell' })).result(), 'bye');
	assert.match((await server.ended(await queue.enqueue(1, { name: 'toString' }))).error!.message!, /no handler for jobs named 'toString'/);
	assert.match((await server.ended(await queue.enqueue(1))).error!.message!, /no handler for jobs without a name/);
	await worker.close();
});

test('concurrency: as many at once as asked for, never more', async () => {
	const queue = ruche.queue<number, number>('many');
	const gate = new Gate();
	let now = 0, most = 0, started = 0;
	const full = new Gate();
	const worker = ruche.worker(queue, async (job) => {
		most = Math.max(most, ++now);
		if (++started === 8)
			full.open();
		if (started <= 8)
			await gate.passed;
		now--;
		return job.payload;
	}, { concurrency: 8 });
	const jobs = await queue.enqueueMany(Array.from({ length: 300 }, (_, payload) => ({ payload })));
	await full.passed;
	assert.equal(worker.active, 8);
	assert.equal((await queue.stats()).states.active, 8);
	gate.open();
	assert.deepEqual(await Promise.all(jobs.map((job) => job.result())), jobs.map((_, i) => i));
	assert.equal(most, 8);
	await worker.close();
});

test('claims are batched, finishing claims the next, and outcomes of one tick share a request', async (t) => {
	const proxy = await Proxy.before(server.url, t);
	const client = through(proxy);
	const queue = client.queue<number, number>('batched');
	await queue.enqueueMany(Array.from({ length: 200 }, (_, payload) => ({ payload })));
	proxy.requests.length = 0;
	const done = new Gate();
	let count = 0;
	const worker = client.worker(queue, ({ payload }) => payload, { concurrency: 50 });
	worker.on('completed', () => ++count === 200 && done.open());
	await done.passed;
	await worker.close();
	const batches = proxy.of('/v1/batch').map(({ body }) => (JSON.parse(body) as { ops: { op: string }[] }).ops.map(({ op }) => op));
	assert.equal(batches.flat().filter((op) => op === 'complete').length, 200);
	assert.ok(batches.length <= 8, `${batches.length} requests`);
	assert.deepEqual([batches[0]!.length, batches[0]!.at(-1)], [51, 'claim']);
	assert.equal(proxy.of('/v1/claims').length <= 2, true);
});

test('short jobs are claimed ahead: never more at once than told, each once', async (t) => {
	const proxy = await Proxy.before(server.url, t);
	const client = through(proxy);
	const queue = client.queue<number, number>('ahead');
	await queue.enqueueMany(Array.from({ length: 3_000 }, (_, payload) => ({ payload })));
	const runs = new Map<number, number>();
	const done = new Gate();
	let now = 0, most = 0, ended = 0;
	const worker = client.worker(queue, async ({ payload }) => {
		most = Math.max(most, ++now);
		runs.set(payload, (runs.get(payload) ?? 0) + 1);
		await Promise.resolve();
		now--;
		return payload;
	}, { concurrency: 20 });
	worker.on('completed', () => ++ended === 3_000 && done.open());
	await done.passed;
	await worker.close();
	assert.deepEqual([runs.size, [...runs.values()].filter((count) => count !== 1), most], [3_000, [], 20]);
	assert.equal((await queue.stats()).states.completed, 3_000);
	const wanted = proxy.of('/v1/batch').map(({ body }) => (JSON.parse(body) as { ops: { op: string; max?: number }[] }).ops.at(-1)!.max ?? 0);
	assert.ok(Math.max(...wanted) > 20, 'nothing was claimed ahead');
});

test('what was claimed ahead and cannot begin soon is handed back, and so is what waits when the worker closes', { timeout: 60_000 }, async (t) => {
	const queue = ruche.queue<number, number>('held');
	const short = new Gate(), long = new Gate();
	let blocks = false, count = 0;
	const worker = ruche.worker(queue, async ({ payload }) => {
		if (++count === 400)
			short.open();
		if (blocks)
			await long.passed;
		return payload;
	}, { concurrency: 4 });
	t.after(() => worker.close());
	await queue.enqueueMany(Array.from({ length: 2_000 }, (_, payload) => ({ payload })));
	await short.passed;
	blocks = true;
	for (let active = -1; active !== 4;) // no longer four and those ahead
		({ states: { active } } = await queue.stats());
	assert.equal(worker.active, 4);
	long.open();
	blocks = false;
	const closed = worker.close();
	await closed;
	const { states } = await queue.stats();
	assert.deepEqual([states.active, states.waiting + states.completed, states.delayed], [0, 2_000, 0]);
	const other = ruche.worker(queue, ({ payload }) => payload, { concurrency: 20 });
	t.after(() => other.close());
	while ((await queue.stats()).states.completed < 2_000);
	for await (const job of queue.jobs())
		assert.deepEqual([job.attemptsMade, job.stalls], [1, 0]);
});

test('after a pause as many are claimed ahead as end by then, not as ended in all of it', { timeout: 60_000 }, async (t) => {
	const proxy = await Proxy.before(server.url, t);
	const client = through(proxy);
	const queue = client.queue<number, number>('paced');
	const short = new Gate(), many = new Gate();
	let slow = false, count = 0, ended = 0;
	await queue.enqueueMany(Array.from({ length: 3_000 }, (_, payload) => ({ payload })));
	const worker = client.worker(queue, async ({ payload }) => {
		if (++count === 400)
			short.open();
		if (slow)
			await setTimeout(100);
		return payload;
	}, { concurrency: 20 });
	t.after(() => worker.close());
	await short.passed;
	slow = true;
	const ops = (): { op: string; max?: number }[] => proxy.of('/v1/batch').flatMap(({ body }) => (JSON.parse(body) as { ops: { op: string; max?: number }[] }).ops);
	while (!ops().some(({ op }) => op === 'release')) // the pause has begun
		await setTimeout(1);
	proxy.requests.length = 0;
	worker.on('completed', () => ++ended === 500 && many.open()); // it is over by then
	await many.passed;
	const wanted = ops().filter(({ op }) => op === 'claim').map(({ max }) => max ?? 1);
	assert.ok(Math.max(...wanted) <= 40, `${Math.max(...wanted)} claimed at once`); // all slots, and what they all end
	await worker.close();
});

test('several queues: in the order listed', async () => {
	const seen: string[] = [];
	await ruche.queue('low').enqueueMany([{ payload: 1 }, { payload: 2 }]);
	await ruche.queue('high').enqueueMany([{ payload: 1 }, { payload: 2 }]);
	const done = new Gate();
	const worker = ruche.worker(['high', 'low'], (job) => {
		seen.push(job.queue);
	});
	worker.on('completed', () => seen.length === 4 && done.open());
	await done.passed;
	assert.deepEqual(seen, ['high', 'high', 'low', 'low']);
	await worker.close();
});

test('cancel: the signal fires with JobCancelled; throwing makes the job cancelled, returning completes it', async () => {
	const queue = ruche.queue<string, string>('cancelled');
	const starts: Record<string, Gate> = { stops: new Gate(), goes: new Gate() };
	const reasons: JobAbort[] = [];
	const worker = ruche.worker(queue, async (job, { signal }) => {
		starts[job.payload]!.open();
		try {
			return await aborted(signal);
		} catch (reason) {
			reasons.push(reason as JobAbort);
			if (job.payload === 'stops')
				throw reason;
			return 'finished all the same';
		}
	}, { concurrency: 2 });
	const stops = await queue.enqueue('stops'), goes = await queue.enqueue('goes');
	await Promise.all([starts['stops']!.passed, starts['goes']!.passed]);
	await Promise.all([stops.cancel('enough'), goes.cancel()]);
	assert.equal((await server.ended(stops)).state, 'cancelled');
	assert.equal(await goes.result(), 'finished all the same');
	assert.deepEqual(reasons.map((reason) => [reason instanceof JobCancelled, reason.kind]), [[true, 'cancel'], [true, 'cancel']]);
	await worker.close();
});

test('time-out: the signal fires with JobTimedOut, the attempt counts as failed', async () => {
	const queue = ruche.queue<number>('slow', { defaults: { timeoutMs: 60, maxAttempts: 1 } });
	const reason = new Gate<unknown>();
	const worker = ruche.worker(queue, (_, { signal }) => aborted(signal).catch((cause: unknown) => {
		reason.open(cause);
		throw cause;
	}));
	const view = await server.ended(await queue.enqueue(1));
	assert.deepEqual([view.state, view.outcome], ['failed', 'attempts_spent']);
	const told = await reason.passed;
	assert.ok(told instanceof JobTimedOut && told.kind === 'timeout');
	await worker.close();
});

test('lease lost: the signal fires with LeaseLost, what the handler returns is dropped', async (t) => {
	const proxy = await Proxy.before(server.url, t);
	const client = through(proxy, { heartbeatMs: 50 });
	const queue = client.queue<number, string>('stolen');
	const started = new Gate(), reason = new Gate<unknown>(), lost = new Gate<unknown>();
	const worker = client.worker(queue, async (job, { signal }) => {
		if (job.attempt > 1)
			return 'second';
		started.open();
		await aborted(signal).catch((cause: unknown) => reason.open(cause));
		return 'first';
	});
	worker.on('lost', (_, cause) => lost.open(cause));
	const job = await queue.enqueue(1);
	await started.passed;
	// Somebody hands the job back under the worker's own token: from then on its lease is over.
	const { token } = JSON.parse(proxy.of('/v1/claims').at(-1)!.body) as { token: string };
	const response = await fetch(`${server.url}/v1/leases/${job.uid}/release`, {
		method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ token }),
	});
	assert.equal(response.status, 200);
	const cause = await reason.passed;
	assert.ok(cause instanceof LeaseLost && cause.kind === 'lease_lost');
	assert.ok(await lost.passed instanceof LeaseLost);
	assert.equal(await job.result(), 'second');
});

test('a busy event loop keeps its leases: blocked for longer than a lease', async () => {
	const queue = ruche.queue<number, string>('busy');
	const worker = ruche.worker(queue, (job) => {
		block(3_500);
		return `attempt ${job.attempt}`;
	}, { leaseMs: 3_000, concurrency: 2 });
	const jobs = await queue.enqueueMany([{ payload: 1 }, { payload: 2 }]);
	for (const job of jobs) {
		const view = await server.ended(job);
		assert.deepEqual([view.result, view.stalls], ['attempt 1', 0]);
	}
	await worker.close();
});

test('a listener that throws harms nobody; trouble is told', async () => {
	const queue = ruche.queue<number, number>('listeners');
	const worker = ruche.worker(queue, ({ payload }) => payload);
	const told = new Gate<Error>();
	worker.on('error', told.open);
	worker.on('completed', () => {
		throw new Error('a bad listener');
	});
	assert.equal(await (await queue.enqueue(1)).result(), 1);
	assert.equal((await told.passed).message, 'a bad listener');
	worker.removeAllListeners('completed');
	assert.equal(await (await queue.enqueue(2)).result(), 2);
	await worker.close();
});

test('what makes no sense is refused at once', () => {
	assert.throws(() => ruche.worker('q', () => 1, { concurrency: 0 }), RangeError);
	assert.throws(() => ruche.worker([], () => 1), RangeError);
	assert.throws(() => new RetryAfterError(-1), RangeError);
	assert.throws(() => new RetryAfterError(Number.NaN), RangeError);
});

test('a claim that is refused is told, and the worker asks again', async () => {
	const told = new Gate<Error>();
	const worker = ruche.worker('bad\u0001name', () => 1, { signals: false });
	worker.on('error', told.open);
	assert.equal((await told.passed as { code?: string }).code, 'invalid_field');
	await worker.close();
});
