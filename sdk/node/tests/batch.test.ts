import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { NonRetryableError, ShuttingDown, type BatchJob } from 'ruche';
import { startRuche } from 'ruche/test';
import { Proxy } from './proxy.js';
import { through } from './through.js';
import { aborted, Gate, rows } from './waiting.js';

const server = await startRuche({ client: { heartbeatMs: 50 } });
const { ruche } = server;
after(() => server.stop());

test('a batch is of one group; each job has its result, its lines and its progress', async () => {
	const queue = ruche.queue<number, number>('batches');
	const jobs = await queue.enqueueMany([1, 2, 3, 4, 5].map((payload) => ({ payload, group: payload % 2 ? 'odd' : 'even' })));
	const seen: number[][] = [];
	const worker = ruche.worker(queue, (batch, { signal }) => {
		assert.equal(signal.aborted, false);
		assert.equal(new Set(batch.map(({ group }) => group)).size, 1);
		seen.push(batch.map(({ payload }) => payload));
		for (const { payload, log, progress } of batch) {
			log(`line of ${payload}`);
			progress(payload);
		}
		return batch.map(({ payload }) => payload * 10);
	}, { batch: { max: 2 } });
	assert.deepEqual(await Promise.all(jobs.map((job) => job.result())), [10, 20, 30, 40, 50]);
	assert.deepEqual(seen.sort(), [[1, 3], [2, 4], [5]]);
	assert.equal((await rows(jobs[2]!.logs()))[0]!.line, 'line of 3');
	assert.equal((await jobs[2]!.get()).progress, 3);
	await worker.close();
});

test('one fails by itself, the others do not suffer; what is thrown fails the rest; a payload that does not fit is not handed over', async () => {
	const schema = { '~standard': { version: 1 as const, vendor: 'test', validate: (value: unknown) => typeof value === 'string' ? { value } : { issues: [{ message: 'no text' }] } } };
	const queue = ruche.queue('partly', { schema, defaults: { maxAttempts: 1, group: 'one' } });
	const outcome = async (payloads: unknown[]): Promise<[string, unknown][]> => {
		const jobs = await ruche.queue('partly', { defaults: { maxAttempts: 1, group: 'one' } }).enqueueMany(payloads.map((payload) => ({ payload })));
		const views = await Promise.all(jobs.map((job) => server.ended(job)));
		return views.map((view) => [view.state, view.state === 'completed' ? view.result : view.error?.message]);
	};
	const worker = ruche.worker(queue, (jobs: readonly BatchJob<string>[]) => {
		jobs.find(({ payload }) => payload === 'bad')?.fail(new NonRetryableError('this one'));
		if (jobs.some(({ payload }) => payload === 'throw'))
			throw new Error('all of them');
		if (jobs.some(({ payload }) => payload === 'short'))
			return ['only one'];
		return jobs.some(({ payload }) => payload === 'nothing') ? undefined : jobs.map(({ payload }) => payload.toUpperCase());
	}, { batch: { max: 10, min: 3, waitMs: 60_000 } });
	assert.deepEqual(await outcome(['a', 'bad', 'c']), [['completed', 'A'], ['failed', 'this one'], ['completed', 'C']]);
	assert.deepEqual(await outcome(['throw', 'bad', 'c']), [['failed', 'all of them'], ['failed', 'this one'], ['failed', 'all of them']]);
	assert.deepEqual(await outcome(['nothing', 'b', 'c']), [['completed', null], ['completed', null], ['completed', null]]);
	const misfit = await outcome(['a', 7, 'c']);
	assert.deepEqual([misfit[0], misfit[1]![0], misfit[2]], [['completed', 'A'], 'failed', ['completed', 'C']]);
	assert.match(String(misfit[1]![1]), /no text/);
	for (const [state, message] of await outcome(['short', 'b', 'c'])) {
		assert.equal(state, 'failed');
		assert.match(String(message), /one result for each of its 3 jobs/);
	}
	await worker.close();
});

test('few jobs are left until they have waited; concurrency is of batches', async (t) => {
	const proxy = await Proxy.before(server.url, t);
	const client = through(proxy);
	const queue = client.queue<number, number>('few');
	const both = new Gate(), sizes: number[] = [];
	let now = 0;
	const worker = client.worker(queue, async (jobs) => {
		sizes.push(jobs.length);
		if (++now === 2)
			both.open();
		await both.passed;
		now--;
		return jobs.map(({ payload }) => payload);
	}, { batch: { max: 8, min: 4, waitMs: 300 }, concurrency: 2 });
	const jobs = await queue.enqueueMany([1, 2, 3, 4, 5].map((payload) => ({ payload, group: payload < 5 ? 'enough' : 'few' })));
	assert.deepEqual(await Promise.all(jobs.map((job) => job.result())), [1, 2, 3, 4, 5]); // both ran at once, or neither would have ended
	assert.deepEqual(sizes, [4, 1]);
	const claim = JSON.parse(proxy.of('/v1/claims')[0]!.body) as Record<string, unknown>;
	assert.deepEqual([claim['group_max'], claim['group_min'], claim['group_wait_ms'], claim['max']], [8, 4, 300, undefined]);
	await worker.close();
});

test('closing: the signal of the batch fires with those of its jobs, what is thrown hands all of them back', async () => {
	const queue = ruche.queue<number>('closing');
	const started = new Gate(), reason = new Gate<unknown>();
	const worker = ruche.worker(queue, async (_, { signal }) => {
		started.open();
		await aborted(signal).catch((cause: unknown) => {
			reason.open(cause);
			throw cause;
		});
	}, { batch: { max: 5 } });
	const jobs = await queue.enqueueMany([{ payload: 1 }, { payload: 2 }]);
	await started.passed;
	assert.equal(worker.active, 2);
	await worker.close({ deadlineMs: 0 });
	assert.ok(await reason.passed instanceof ShuttingDown);
	for (const job of jobs) {
		const view = await job.get();
		assert.deepEqual([view.state, view.attemptsMade], ['waiting', 0]);
	}
});

test('what makes no sense is refused at once', () => {
	for (const batch of [{ max: 0 }, { max: 1_001 }, { max: 1.5 }, { max: 5, min: 6, waitMs: 1 }, { max: 5, min: 2 }, { max: 5, waitMs: 0 }])
		assert.throws(() => ruche.worker('q', () => undefined, { batch }), RangeError, JSON.stringify(batch));
	assert.throws(() => ruche.worker('q', { name: () => 1 } as never, { batch: { max: 5 } }), TypeError);
});
