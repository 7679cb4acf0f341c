import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import {
	ConflictError, InvalidFieldError, JobEndedError, NotFoundError, PartlyRefusedError, ProblemError, Ruche, RucheError, TimedOutError,
} from 'ruche';
import { startRuche } from 'ruche/test';
import { Proxy } from './proxy.js';
import { through } from './through.js';
import { rows } from './waiting.js';

const server = await startRuche();
const { ruche } = server;
after(() => server.stop());

interface Mail { to: string }
interface Sent { messageId: string }

test('enqueue answers when the job is on disk; get shows what was said', async () => {
	const mail = ruche.queue<Mail, Sent>('mail');
	const job = await mail.enqueue({ to: 'a@b.fr' }, {
		id: 'mail-1', name: 'welcome', group: 'site 1', priority: 5, delayMs: 3_600_000, maxAttempts: 7, timeoutMs: 1_000, ttlMs: 9_000_000, tags: ['x', 'y'],
		trace: { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' }, retry: { kind: 'fixed', delayMs: 10, jitter: 'none' },
	});
	assert.equal(job.id, 'mail-1');
	assert.equal(job.state, 'delayed');
	assert.equal(job.duplicate, false);
	const view = await mail.get('mail-1');
	assert.deepEqual(view.payload, { to: 'a@b.fr' });
	assert.equal(view.uid, job.uid);
	assert.equal(view.name, 'welcome');
	assert.equal(view.group, 'site 1');
	assert.equal(view.priority, 5);
	assert.equal(view.maxAttempts, 7);
	assert.equal(view.timeoutMs, 1_000);
	assert.equal(view.ttlMs, 9_000_000);
	assert.deepEqual(view.tags, ['x', 'y']);
	assert.equal(view.trace?.traceparent, '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01');
	assert.equal(Date.parse(view.dueAt!) - Date.parse(view.createdAt) > 3_500_000, true);
});

test('the same id again answers the first job', async () => {
	const mail = ruche.queue<Mail>('twice');
	const first = await mail.enqueue({ to: 'first' }, { id: 'one' });
	const second = await mail.enqueue({ to: 'second' }, { id: 'one' });
	assert.equal(second.duplicate, true);
	assert.equal(second.uid, first.uid);
	assert.deepEqual((await mail.get('one')).payload, { to: 'first' });
});

test('runAt takes a Date; null, nothing and any JSON are payloads', async () => {
	const queue = ruche.queue('payloads');
	const late = await queue.enqueue(null, { runAt: new Date('2090-01-02T03:04:05.678Z') });
	assert.equal((await late.get()).dueAt, '2090-01-02T03:04:05.678Z');
	for (const payload of [0, '', false, [1, [2]], { delay_ms: 1, delayMs: 2, 'ключ': '🐝', created_at: null }])
		assert.deepEqual((await (await queue.enqueue(payload)).get()).payload, payload);
	assert.equal((await (await queue.enqueue(undefined)).get()).payload, null);
});

test('a payload is what it was when enqueue was called, and says itself what JSON it has', async () => {
	const queue = ruche.queue('as-it-was'), payload = { to: 'before' };
	const asked = queue.enqueue(payload);
	payload.to = 'after';
	assert.deepEqual((await (await asked).get()).payload, { to: 'before' });
	assert.equal((await (await queue.enqueue({ toJSON: () => 'said' })).get()).payload, 'said');
	assert.equal((await (await queue.enqueue(() => 1)).get()).payload, null);
});

test('whatever is said of a job: the promise is rejected, nothing is thrown, and no other field comes of it', async () => {
	const queue = ruche.queue('strange');
	const strange = (options: unknown): Promise<unknown> => queue.enqueue(1, options as never);
	await assert.rejects(queue.enqueue(1n), TypeError);
	await assert.rejects(strange(null), TypeError);
	await assert.rejects(strange({ tags: [1n] }), TypeError);
	await assert.rejects(strange({ runAt: new Date(NaN) }), RangeError);
	await assert.rejects(strange({ 'priority":5,"lifo': true }), { name: 'InvalidFieldError', field: 'priority":5,"lifo' });
	await assert.rejects(strange({ op: 'cancel' }), InvalidFieldError);
	await assert.rejects(queue.enqueueMany([{ payload: 1 }], { atomic: 'yes' as never }), { name: 'InvalidFieldError', field: 'atomic' });
	await strange({ signal: null, id: 'no signal' });
	await strange({ signal: undefined, idempotencyKey: undefined, tags: undefined, id: 'nothing' });
	assert.deepEqual((await rows(queue.jobs())).map(({ id }) => id).sort(), ['no signal', 'nothing']);
});

test('a signal that has fired: nothing is enqueued', async () => {
	const queue = ruche.queue('aborted');
	await queue.enqueue(1, { id: 'there' });
	await assert.rejects(queue.enqueue(2, { signal: AbortSignal.abort(new Error('enough')) }), { message: 'enough' });
	assert.deepEqual((await rows(queue.jobs())).map(({ id }) => id), ['there']);
});

test('defaults of a queue hold where a job says nothing else', async () => {
	const queue = ruche.queue('defaults', { defaults: { maxAttempts: 9, tags: ['d'], delayMs: 1_000_000 } });
	const plain = await (await queue.enqueue(1)).get();
	assert.deepEqual([plain.maxAttempts, plain.tags, plain.state], [9, ['d'], 'delayed']);
	assert.equal((await (await queue.enqueue(1, { maxAttempts: 2 })).get()).maxAttempts, 2);
});

test('namespaces keep queues apart', async () => {
	const other = new Ruche({ url: server.url, namespace: 'staging' });
	await other.queue('apart').enqueue(1, { id: 'x' });
	await assert.rejects(ruche.queue('apart').get('x'), NotFoundError);
	assert.equal((await ruche.queue('apart', { namespace: 'staging' }).get('x')).namespace, 'staging');
	assert.deepEqual((await rows(other.queues({ namespace: 'staging' }))).map(({ name }) => name), ['apart']);
	await other.close();
});

test('enqueueMany: one request; atomic is all or none, otherwise each stands alone', async (t) => {
	const proxy = await Proxy.before(server.url, t);
	const client = through(proxy);
	const queue = client.queue<number>('many');
	const made = await queue.enqueueMany([1, 2, 3].map((payload) => ({ payload, id: `m${payload}` })), { atomic: true });
	assert.deepEqual(made.map(({ id }) => id), ['m1', 'm2', 'm3']);
	assert.equal(proxy.requests.length, 1);
	await assert.rejects(queue.enqueueMany([{ payload: 4, id: 'm4' }, { payload: 5, priority: -1 }], { atomic: true }), (error: InvalidFieldError) =>
		error instanceof InvalidFieldError && error.field === 'jobs[1].priority' && error.status === 422);
	await assert.rejects(queue.get('m4'), NotFoundError);
	assert.deepEqual(await queue.enqueueMany([]), []);
});

test('enqueueMany without atomic tells what became of each', async () => {
	const small = await startRuche({ args: ['--engine-backlog-max', '2'], client: { patienceMs: 1 } });
	const error = await small.ruche.queue('full').enqueueMany([{ payload: 1 }, { payload: 2 }, { payload: 3 }]).catch((cause: unknown) => cause);
	assert.ok(error instanceof PartlyRefusedError);
	assert.deepEqual(error.results.map((result) => result instanceof ProblemError ? result.code : 'made'), ['made', 'made', 'backlog_full']);
	await small.stop();
});

test('calls of one tick leave in one request, and one bad call harms nobody else', async (t) => {
	const proxy = await Proxy.before(server.url, t);
	const client = through(proxy);
	const queue = client.queue<number>('tick');
	const results = await Promise.allSettled([
		queue.enqueue(1, { id: 't1' }), queue.enqueue(2, { priority: -3 }), queue.enqueue(3, { id: 't3' }), client.job('0000000000001').cancel(),
	]);
	assert.deepEqual(results.map(({ status }) => status), ['fulfilled', 'rejected', 'fulfilled', 'rejected']);
	const [, bad, , missing] = results as PromiseRejectedResult[];
	assert.ok(bad!.reason instanceof InvalidFieldError);
	assert.equal((bad!.reason as InvalidFieldError).field, 'priority');
	assert.ok(missing!.reason instanceof NotFoundError);
	assert.equal((missing!.reason as NotFoundError).code, 'job_not_found');
	assert.equal(proxy.of('/v1/batch').length, 2); // the whole, refused for one operation, and the rest
	assert.equal((JSON.parse(proxy.of('/v1/batch')[0]!.body) as { ops: unknown[] }).ops.length, 4);
	await Promise.all(Array.from({ length: 500 }, (_, i) => queue.enqueue(i)));
	assert.equal(proxy.of('/v1/batch').length, 3);
	assert.equal(await queue.count(), 502);
});

test('large payloads are spread over requests that the daemon takes', async () => {
	const queue = ruche.queue<string>('large');
	const jobs = await Promise.all(Array.from({ length: 12 }, (_, i) => queue.enqueue('x'.repeat(600_000), { id: `l${i}` })));
	assert.equal(new Set(jobs.map(({ uid }) => uid)).size, 12);
	await assert.rejects(queue.enqueue('x'.repeat(5_000_000)), (error: RucheError) => error.code === 'too_large');
});

test('a lost answer makes no second job: the repeat carries the same key', async (t) => {
	const proxy = await Proxy.before(server.url, t);
	const client = through(proxy);
	const queue = client.queue<number>('lost');
	proxy.cuts = 2;
	const job = await queue.enqueue(7);
	assert.equal(await queue.count(), 1);
	assert.equal((await queue.get(job.id)).uid, job.uid);
	const keys = proxy.of('/v1/batch').map(({ head }) => /idempotency-key: (\S+)/i.exec(head)?.[1]);
	assert.equal(keys.length, 3);
	assert.equal(new Set(keys).size, 1);
	proxy.cuts = 1;
	assert.equal((await queue.enqueueMany([{ payload: 8 }, { payload: 9 }])).length, 2);
	assert.equal(await queue.count(), 3);
});

test('the caller\'s own idempotency key', async () => {
	const queue = ruche.queue<number>('keys');
	const first = await queue.enqueue(1, { idempotencyKey: 'order 7' });
	const again = await queue.enqueue(1, { idempotencyKey: 'order 7' });
	assert.equal(again.uid, first.uid);
	await assert.rejects(queue.enqueue(2, { idempotencyKey: 'order 7' }), (error: ConflictError) =>
		error instanceof ConflictError && error.code === 'idempotency_mismatch');
});

test('changes by hand: promote, reprioritise, move, cancel, retry, delete', async () => {
	const queue = ruche.queue<number>('hand');
	const job = await queue.enqueue(1, { id: 'h', delayMs: 3_600_000 });
	assert.equal((await queue.job('h').promote()).state, 'waiting');
	assert.equal((await job.reprioritise(3)).state, 'waiting');
	assert.equal((await job.get()).priority, 3);
	await job.move('elsewhere', { delayMs: 3_600_000 });
	assert.equal((await job.get()).queue, 'elsewhere');
	assert.equal((await job.cancel('no longer wanted')).state, 'cancelled');
	await assert.rejects(job.cancel(), (error: ConflictError) => error instanceof ConflictError && error.code === 'illegal_state');
	assert.equal((await job.retry({ payload: 2, delayMs: 3_600_000 })).state, 'delayed');
	const view = await job.get();
	assert.deepEqual([view.payload, view.payloadEdited], [2, true]);
	await job.delete();
	await assert.rejects(job.get(), (error: NotFoundError) => error instanceof NotFoundError && error.status === 404);
});

test('waiting for a result that does not come', async () => {
	const queue = ruche.queue<number, string>('idle');
	const job = await queue.enqueue(1);
	await assert.rejects(job.result({ timeoutMs: 30 }), (error: TimedOutError) => error instanceof TimedOutError && /waiting/.test(error.message));
	await assert.rejects(job.result({ signal: AbortSignal.timeout(30) }), { name: 'TimeoutError' });
	const waiting = assert.rejects(job.result(), (error: JobEndedError) =>
		error instanceof JobEndedError && error.code === 'job_cancelled' && error.outcome === 'by_hand');
	await job.cancel();
	await waiting;
});

test('explain says why a job does not run', async () => {
	const job = await ruche.queue('nobody').enqueue(1);
	const explanation = await job.explain();
	assert.equal(explanation.code, 'no_worker');
	assert.match(explanation.text, /\w+ \w+/);
});

test('queues: configure, stats, pause and resume, jobs, count, delete', async () => {
	const queue = ruche.queue<number>('settings');
	const configured = await queue.configure({
		leaseMs: 5_000, retry: { maxAttempts: 4, kind: 'list', listMs: [1, 2] }, groupConcurrency: 3, keepCompleted: { count: 10, ageMs: 60_000 },
		metadata: { ownerName: 'x', due_at: 1 },
	});
	assert.deepEqual([configured.settings.leaseMs, configured.settings.retry?.listMs, configured.settings.groupConcurrency], [5_000, [1, 2], 3]);
	assert.deepEqual(configured.settings.metadata, { ownerName: 'x', due_at: 1 });
	await assert.rejects(queue.configure({ leaseMs: -1 }), (error: InvalidFieldError) => error.field === 'lease_ms');
	await queue.pause();
	await queue.enqueueMany([1, 2, 3, 4, 5].map((payload) => ({ payload, tags: [payload % 2 ? 'odd' : 'even'] })));
	const stats = await queue.stats();
	assert.deepEqual([stats.paused, stats.states.waiting, stats.states.waitingChildren], [true, 5, 0]);
	assert.equal(await queue.count({ tag: 'odd', state: ['waiting', 'delayed'] }), 3);
	assert.equal((await rows(queue.jobs({ state: 'waiting' }))).length, 5);
	await queue.resume();
	assert.equal((await queue.stats()).paused, false);
	await assert.rejects(queue.delete(), ConflictError);
	const operation = await ruche.operation('delete', { queue: 'settings', state: 'waiting' });
	assert.equal((await operation.ended()).done, 5);
	await queue.delete();
	await assert.rejects(queue.stats(), (error: NotFoundError) => error.code === 'queue_not_found');
	assert.match((await ruche.stats()).version, /^\d/);
});

test('groups: settings of their own, pause and resume', async () => {
	const queue = ruche.queue<number>('grouped');
	await queue.enqueueMany([{ payload: 1, group: 'site 1/a' }, { payload: 2, group: 'b' }]);
	const group = queue.group('site 1/a');
	await group.configure({ concurrency: 2, rate: { max: 5, perMs: 1_000 } });
	await group.pause();
	const view = await group.get();
	assert.deepEqual([view.key, view.paused, view.waiting, view.code], ['site 1/a', true, 1, 'group_paused']);
	assert.deepEqual([view.settings.concurrency, view.settings.rate], [2, { max: 5, perMs: 1_000 }]);
	assert.deepEqual((await rows(queue.groups())).map(({ key }) => key).sort(), ['b', 'site 1/a']);
	await group.resume();
	await group.forget();
	assert.equal((await group.get()).paused, false);
	await assert.rejects(group.configure({ concurrency: -1 }), InvalidFieldError);
});

test('chains are put, looked at, listed and deleted', async () => {
	const { chains } = ruche.queue<{ keepThis_as_it_is: number }>('repeated');
	const payload = { keepThis_as_it_is: 1 };
	const made = await chains.put('hourly/a', { schedule: { everyMs: 3_600_000, startAt: new Date('2090-01-01') }, job: { name: 'tick', maxAttempts: 2 }, payload });
	assert.deepEqual([made.key, made.nextAt, made.payload, made.job, made.count], ['hourly/a', '2090-01-01T00:00:00.000Z', payload, { name: 'tick', maxAttempts: 2 }, 1]);
	await chains.put('nightly', { schedule: { pattern: '0 3 * * *', tz: 'Europe/Paris' } });
	assert.equal((await chains.get('nightly')).schedule.tz, 'Europe/Paris');
	assert.deepEqual((await rows(chains.list())).map(({ key }) => key), ['hourly/a', 'nightly']);
	const job = await ruche.job(made.nextUid!).get();
	assert.deepEqual([job.state, job.chain, job.payload], ['delayed', 'hourly/a', payload]);
	await assert.rejects(ruche.job(made.nextUid!).delete(), ConflictError);
	await chains.delete('hourly/a');
	await assert.rejects(chains.get('hourly/a'), NotFoundError);
	await assert.rejects(chains.delete('hourly/a'), NotFoundError);
	await assert.rejects(chains.put('k', { schedule: { pattern: 'never' } }), (error: InvalidFieldError) => error instanceof InvalidFieldError && error.field === 'schedule.pattern');
});
