import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { InvalidFieldError, NotFoundError, type Queue } from 'ruche';
import { startRuche } from 'ruche/test';
import { Gate, rows } from './waiting.js';

const server = await startRuche();
const { ruche } = server;
after(() => server.stop());

const LATE_MS = 3_600_000;

async function payloads(queue: Queue<number>): Promise<unknown[]> {
	return Promise.all((await rows(queue.jobs({ state: ['waiting', 'delayed', 'active'], order: 'oldest' }))).map(async ({ id }) => (await queue.get(id)).payload));
}

test('while unfinished: the owner is answered, can be read, and freed', async () => {
	const queue = ruche.queue<number>('simple');
	const first = await queue.enqueue(1, { id: 'one', dedup: { key: 'sheet/417' } });
	assert.deepEqual([first.duplicate, first.deduplicated], [false, false]);
	const again = await queue.enqueue(2, { dedup: { key: 'sheet/417' } });
	assert.deepEqual([again.uid, again.id, again.duplicate, again.deduplicated, again.state], [first.uid, 'one', true, true, 'waiting']);
	const key = queue.dedup('sheet/417');
	assert.deepEqual(await key.owner(), { uid: first.uid, id: 'one', untilAt: null, nextUid: null });
	const other = await queue.enqueue(0);
	assert.equal(await key.release({ uid: other.uid }), null);
	assert.equal((await key.release())?.uid, first.uid);
	assert.equal(await key.owner(), null);
	assert.equal(await key.release(), null);
	const second = await queue.enqueue(3, { dedup: { key: 'sheet/417' } });
	assert.notEqual(second.uid, first.uid);
	assert.deepEqual(await payloads(queue), [1, 0, 3]);
	await assert.rejects(ruche.queue('never').dedup('k').owner(), NotFoundError);
});

test('for a time: the key outlives its owner', async (t) => {
	const queue = ruche.queue<number>('throttled');
	await queue.configure({ keepCompleted: 'none' });
	const first = await queue.enqueue(1, { dedup: { key: 'k', ttlMs: LATE_MS } });
	const worker = ruche.worker(queue, () => undefined);
	const ended = new Promise((resolve) => worker.once('completed', resolve));
	t.after(() => worker.close());
	await ended;
	const owner = await queue.dedup('k').owner();
	assert.equal(owner?.uid, first.uid);
	assert.ok(Date.parse(owner!.untilAt!) > Date.now());
	const again = await queue.enqueue(2, { dedup: { key: 'k', ttlMs: LATE_MS } });
	assert.deepEqual([again.uid, again.deduplicated, again.state], [first.uid, true, null]);
	assert.equal(await queue.count(), 0);
});

test('debounce, and what a longest wait does to it', async () => {
	const queue = ruche.queue<number>('debounced');
	for (const payload of [1, 2, 3])
		await queue.enqueue(payload, { delayMs: LATE_MS, dedup: { key: 'replaced', replace: true, maxWaitMs: 2 * LATE_MS } });
	assert.deepEqual(await payloads(queue), [3]);
	const first = await queue.enqueue(4, { delayMs: LATE_MS / 2, dedup: { key: 'put off', reschedule: true, maxWaitMs: LATE_MS } });
	const again = await queue.enqueue(5, { delayMs: 100 * LATE_MS, dedup: { key: 'put off', reschedule: true, maxWaitMs: LATE_MS } });
	assert.equal(again.uid, first.uid);
	const { dueAt, createdAt } = await first.get();
	const waitsMs = Date.parse(dueAt!) - Date.parse(createdAt);
	assert.ok(waitsMs > LATE_MS / 2 && waitsMs <= LATE_MS, `put off, but not for ever: ${waitsMs} ms`);
});

test('keep the last while one runs: it starts afterwards', async (t) => {
	const queue = ruche.queue<number, number>('kept');
	const running = new Gate(), end = new Gate();
	const worker = ruche.worker(queue, async ({ payload }) => {
		running.open();
		await end.passed;
		return payload;
	});
	t.after(() => worker.close());
	await queue.enqueue(1, { dedup: { key: 'k', keepLast: true } });
	await running.passed;
	await queue.enqueue(2, { dedup: { key: 'k', keepLast: true } });
	await queue.enqueue(3, { dedup: { key: 'k', keepLast: true } });
	const next = (await queue.dedup('k').owner())?.nextUid;
	end.open();
	assert.equal(await ruche.job(next!).result({ timeoutMs: 30_000 }), 3);
	assert.equal(await queue.count(), 2);
});

test('latest and fifo', async () => {
	const queue = ruche.queue<number>('ordered');
	const first = await queue.enqueue(1, { dedup: { key: 'state', latest: true } });
	const second = await queue.enqueue(2, { dedup: { key: 'state', latest: true } });
	assert.notEqual(first.uid, second.uid);
	assert.deepEqual([(await first.get()).state, (await first.get()).outcome], ['cancelled', 'superseded']);
	assert.deepEqual((await rows(queue.jobs({ outcome: 'superseded' }))).map(({ uid }) => uid), [first.uid]);
	await queue.enqueue(3, { dedup: { key: 'line', fifo: true } });
	const behind = await queue.enqueue(4, { dedup: { key: 'line', fifo: true } });
	assert.deepEqual([behind.deduplicated, behind.state], [false, 'waiting_children']);
	assert.deepEqual(await payloads(queue), [2, 3]);
});

test('modes that contradict each other are refused, with the field', async () => {
	const queue = ruche.queue<number>('refused');
	for (const [dedup, field] of [
		[{ key: '' }, 'dedup.key'], [{ key: 'k', extend: true }, 'dedup.extend'], [{ key: 'k', keepLast: true, ttlMs: 1 }, 'dedup.ttl_ms'],
		[{ key: 'k', latest: true, fifo: true }, 'dedup.fifo'],
	] as const)
		await assert.rejects(queue.enqueue(1, { dedup }), (error: InvalidFieldError) => error instanceof InvalidFieldError && error.field === field);
});

test('metadata and the chain come to the handler; a payload is edited, a job rescheduled', async (t) => {
	const queue = ruche.queue<number, unknown>('told');
	const job = await queue.enqueue(1, { delayMs: LATE_MS, metadata: { keepThis_as_it_is: { at: 1 } } });
	await job.reschedule({ runAt: new Date('2090-01-02T03:04:05.678Z') });
	assert.equal((await job.get()).dueAt, '2090-01-02T03:04:05.678Z');
	await job.edit(2);
	const view = await job.get();
	assert.deepEqual([view.payload, view.originalPayload, view.metadata], [2, 1, { keepThis_as_it_is: { at: 1 } }]);
	await job.reschedule({ delayMs: 0 });
	await queue.chains.put('tick', { schedule: { everyMs: LATE_MS }, payload: 9 });
	const worker = ruche.worker(queue, ({ payload, metadata, chain }) => ({ payload, metadata, chain }));
	t.after(() => worker.close());
	assert.deepEqual(await job.result({ timeoutMs: 30_000 }), { payload: 2, metadata: { keepThis_as_it_is: { at: 1 } }, chain: null });
});
