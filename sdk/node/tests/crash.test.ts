import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startRuche, type RucheProcess } from 'ruche/test';
import { Proxy } from './proxy.js';
import { through } from './through.js';
import { Gate } from './waiting.js';

let server: RucheProcess;
const unhandled: unknown[] = [];
process.on('unhandledRejection', (error) => unhandled.push(error));
before(async () => {
	server = await startRuche({ client: { heartbeatMs: 100, patienceMs: 30_000 } });
});
after(async () => {
	await server.stop();
	assert.deepEqual(unhandled, []);
});

test('kill -9 of the daemon while workers run: they go on by themselves, nothing is lost, nothing done twice', { timeout: 120_000 }, async () => {
	const queue = server.ruche.queue<number, number>('crash');
	const runs = new Map<number, number>();
	const thousand = new Gate();
	let completed = 0;
	const worker = server.ruche.worker(queue, async ({ payload }) => {
		runs.set(payload, (runs.get(payload) ?? 0) + 1);
		await new Promise((resolve) => setTimeout(resolve, payload % 7));
		return payload;
	}, { concurrency: 20, leaseMs: 60_000 });
	worker.on('error', () => undefined);
	worker.on('completed', () => ++completed === 1_000 && thousand.open());
	const jobs: Promise<unknown>[] = [];
	for (let round = 0; round < 4; round++) {
		for (let i = 0; i < 250; i++)
			jobs.push(queue.enqueue(round * 250 + i));
		await new Promise((resolve) => worker.once('completed', resolve));
		await server.kill();
		await server.restart();
	}
	await Promise.all(jobs);
	await thousand.passed;
	assert.deepEqual([...runs.values()].filter((count) => count !== 1), []);
	assert.equal(runs.size, 1_000);
	const { states } = await queue.stats();
	assert.deepEqual([states.completed, states.failed, states.active, states.waiting], [1_000, 0, 0, 0]);
	await worker.close();
});

test('a job that runs through a crash keeps its lease and its result', { timeout: 60_000 }, async () => {
	const queue = server.ruche.queue<number, string>('through');
	const started = new Gate(), gate = new Gate();
	const worker = server.ruche.worker(queue, async (job, { log, progress }) => {
		started.open();
		log('before');
		await gate.passed;
		progress(1);
		return `attempt ${job.attempt}`;
	}, { leaseMs: 30_000 });
	worker.on('error', () => undefined);
	const job = await queue.enqueue(1);
	await started.passed;
	await server.kill();
	gate.open(); // it ends while nobody listens
	await server.restart();
	const view = await server.ended(job);
	assert.deepEqual([view.result, view.stalls, view.attemptsStarted], ['attempt 1', 0, 1]);
	await worker.close();
});

test('an answer of a claim that gets lost: what it brought is given back and run, at no cost', { timeout: 60_000 }, async (t) => {
	const proxy = await Proxy.before(server.url, t);
	const client = through(proxy);
	const queue = client.queue<number, number>('orphans');
	await queue.enqueueMany([{ payload: 1 }, { payload: 2 }, { payload: 3 }]);
	proxy.cuts = 1;
	proxy.cutOn = ({ line }) => line.includes('/v1/claims');
	const worker = client.worker(queue, ({ payload }) => payload, { concurrency: 3, leaseMs: 3_600_000 });
	worker.on('error', () => undefined);
	for await (const job of queue.jobs()) {
		const view = await server.ended(server.ruche.job<number, number>(job.uid));
		assert.deepEqual([view.result, view.stalls, view.attemptsMade, view.attemptsStarted], [view.payload, 0, 1, 2]);
	}
});

test('an outcome whose answer gets lost counts as told, and the claim that rode along is made up for', { timeout: 60_000 }, async (t) => {
	const proxy = await Proxy.before(server.url, t);
	const client = through(proxy);
	const queue = client.queue<number, number>('told-twice');
	await queue.configure({ retry: { kind: 'fixed', delayMs: 3_600_000, maxAttempts: 2 } });
	const ends: string[] = [];
	const worker = client.worker(queue, ({ payload }) => {
		if (payload === 2)
			throw new Error('no');
		return payload;
	}, { leaseMs: 3_600_000 });
	worker.on('error', () => undefined);
	worker.on('lost', () => ends.push('lost'));
	const all = new Gate();
	worker.on('completed', () => ends.push('completed') === 3 && all.open());
	worker.on('failed', () => ends.push('failed') === 3 && all.open());
	proxy.cuts = 2;
	proxy.cutOn = ({ line, body }) => line.includes('/v1/batch') && body.includes('"claim"');
	await server.ruche.queue<number>('told-twice').enqueueMany([{ payload: 1 }, { payload: 2 }, { payload: 3 }]);
	await all.passed;
	assert.deepEqual(ends, ['completed', 'failed', 'completed']);
	assert.equal(proxy.cuts, 0);
});
