import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { InvalidFieldError, type RucheEvent } from 'ruche';
import { startRuche } from 'ruche/test';
import { Proxy } from './proxy.js';
import { through } from './through.js';

const server = await startRuche();
after(() => server.stop());

async function take(events: AsyncIterable<RucheEvent>, count: number): Promise<RucheEvent[]> {
	const taken: RucheEvent[] = [];
	for await (const event of events)
		if (taken.push(event) === count)
			break;
	return taken;
}

test('events of a queue, as they happen, with their details', async () => {
	const queue = server.ruche.queue<number, number>('told');
	const events = queue.events({ types: ['enqueued', 'completed', 'failed', 'progress'] });
	await events.ready();
	const worker = server.ruche.worker(queue, (job, { progress }) => {
		progress({ half_way: true });
		if (job.payload === 2)
			throw new Error('no luck');
		return job.payload;
	});
	await server.ruche.queue('other').enqueue(1);
	const one = await queue.enqueue(1);
	await server.ended(one);
	const two = await queue.enqueue(2, { maxAttempts: 1 });
	const told = await take(events, 6);
	assert.deepEqual(told.map(({ type, uid }) => [type, uid]), [
		['enqueued', one.uid], ['progress', one.uid], ['completed', one.uid], ['enqueued', two.uid], ['progress', two.uid], ['failed', two.uid],
	]);
	assert.deepEqual(told[1]!['progress'], { half_way: true });
	assert.equal((told[5]!['error'] as { message: string }).message, 'no luck');
	assert.match(told[0]!.at!, /^\d{4}-.*Z$/);
	assert.equal(told[0]!.queue, 'told');
	await worker.close();
});

test('cut connections and a killed daemon: nothing is missed, nothing comes twice, also before the first event', { timeout: 60_000 }, async (t) => {
	const proxy = await Proxy.before(server.url, t);
	const client = through(proxy, { patienceMs: 30_000 });
	const queue = server.ruche.queue<number>('resumed');
	await queue.enqueue(-1);
	const events = client.queue('resumed').events();
	await events.ready();
	const iterator = events[Symbol.asyncIterator]();
	const seen: string[] = [];
	const made: string[] = [];
	for (let i = 0; i < 8; i++) {
		const next = iterator.next();
		if (i === 4) {
			await server.kill();
			await server.restart();
		} else {
			proxy.cutAll();
		}
		made.push((await queue.enqueue(i)).uid);
		const { value } = await next;
		seen.push((value as RucheEvent).uid!);
	}
	assert.deepEqual(seen, made);
	await iterator.return();
	assert.equal((await iterator.next()).done, true);
});

test('going on behind an event, from the beginning, and with a cursor that is gone', async () => {
	const queue = server.ruche.queue<number>('cursor');
	const uids = (await queue.enqueueMany([{ payload: 1 }, { payload: 2 }, { payload: 3 }])).map(({ uid }) => uid);
	const all = await take(queue.events({ after: '0.0' }), 3);
	assert.deepEqual(all.map(({ uid }) => uid), uids);
	assert.deepEqual((await take(queue.events({ after: all[0]!.id }), 2)).map(({ uid }) => uid), uids.slice(1));
	const [gap] = await take(queue.events({ after: '0.999999999.0' }), 1);
	assert.equal(gap!.type, 'gap');
	await assert.rejects(take(queue.events({ after: 'nonsense' }), 1), InvalidFieldError);
});

test('the signal ends the iteration, close too', async () => {
	const stop = new AbortController();
	const events = server.ruche.events({ signal: stop.signal });
	await events.ready();
	const iterator = events[Symbol.asyncIterator]();
	const next = iterator.next();
	stop.abort();
	assert.equal((await next).done, true);
	const other = server.ruche.events();
	const nothing = take(other, 1);
	await other.ready();
	other.close();
	assert.deepEqual(await nothing, []);
});

test('events of one\'s own; the oldest are forgotten', async () => {
	const queue = server.ruche.queue<number>('own');
	const events = queue.events({ types: ['custom'] });
	await queue.enqueue(1);
	await events.ready();
	await queue.publish('imported', { rows: 7, keepThis_as_it_is: true });
	await queue.publish('done');
	const [first, second] = await take(events, 2);
	assert.deepEqual([first!['event'], first!['details'], second!['event']], ['imported', { rows: 7, keepThis_as_it_is: true }, 'done']);
	await queue.trimEvents(0);
	const kept = await fetch(`${server.url}/v1/events?queue=own&after=0.0`, { headers: { accept: 'application/json' } }).then((answer) => answer.json()) as { events: { type: string }[] };
	assert.deepEqual(kept.events.filter(({ type }) => type !== 'gap'), []);
	await assert.rejects(queue.publish('x', { text: 'x'.repeat(20_000) }), (error: InvalidFieldError) => error instanceof InvalidFieldError && error.field === 'details');
});

test('how many jobs ended, by the minute', async () => {
	const queue = server.ruche.queue<number>('counted');
	const worker = server.ruche.worker(queue, ({ payload }) => {
		if (!payload)
			throw new Error('no');
	});
	for (const payload of [0, 1, 2])
		await server.ended(await queue.enqueue(payload, { maxAttempts: 1 }));
	const { completed, failed } = await queue.metrics();
	assert.deepEqual([completed.count, failed.count, Array.isArray(completed.points)], [2, 1, true]);
	assert.ok(Date.parse(completed.minuteAt!) <= Date.now());
	await worker.close();
});
