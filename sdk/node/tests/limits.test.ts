import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { ConflictError, InvalidFieldError, NotFoundError, TimedOutError, type Limit } from 'ruche';
import { startRuche } from 'ruche/test';
import { Proxy } from './proxy.js';
import { through } from './through.js';
import { Gate, rows } from './waiting.js';

const server = await startRuche();
const { ruche } = server;
after(() => server.stop());

test('limits are put, changed, looked at, listed and deleted', async () => {
	const limit = ruche.limit('air/table', { namespace: 'third-parties' });
	await assert.rejects(limit.get(), (error: NotFoundError) => error instanceof NotFoundError && error.code === 'limit_not_found');
	const made = await limit.put({ rate: { max: 5, perMs: 1_000, window: 'fixed' }, concurrency: 4 });
	assert.deepEqual([made.name, made.namespace, made.active, made.held, made.waiting, made.code], ['air/table', 'third-parties', 0, 0, 0, 'ready']);
	assert.deepEqual([made.settings.rate, made.settings.concurrency], [{ max: 5, perMs: 1_000, window: 'fixed' }, 4]);
	const changed = await limit.configure({ penaltyMsMax: 60_000 });
	assert.deepEqual([changed.settings.concurrency, changed.settings.penaltyMsMax], [4, 60_000]);
	assert.equal((await limit.put({ concurrency: 1 })).settings.rate ?? null, null);
	assert.deepEqual((await limit.get()).settings.concurrency, 1);
	await ruche.limit('another', { namespace: 'third-parties' }).put({});
	assert.deepEqual((await rows(ruche.limits({ namespace: 'third-parties' }))).map(({ name }) => name), ['air/table', 'another']);
	await assert.rejects(limit.configure({ concurrency: -1 }), (error: InvalidFieldError) => error instanceof InvalidFieldError && error.field === 'concurrency');
	await limit.delete();
	await assert.rejects(limit.delete(), NotFoundError);
});

test('jobs of two queues share a limit, and explain names it', async (t) => {
	const limit = ruche.limit('shared');
	await limit.put({ concurrency: 1 });
	const [first, second] = [ruche.queue('shared-1'), ruche.queue('shared-2')] as const;
	await Promise.all([first.configure({ limits: ['shared'] }), second.configure({ limits: ['shared'] })]);
	await assert.rejects(limit.delete(), ConflictError);
	const running = new Gate(), end = new Gate();
	const workers = [first, second].map((queue) => ruche.worker(queue, async () => {
		running.open();
		await end.passed;
	}));
	t.after(() => Promise.all(workers.map((worker) => worker.close())));
	await first.enqueue(1);
	await running.passed;
	const waiting = await second.enqueue(2);
	const { code, limitName } = await waiting.explain();
	assert.deepEqual([code, limitName], ['limit_concurrency', 'shared']);
	assert.equal((await limit.get()).active, 1);
	end.open();
	await waiting.ended({ timeoutMs: 30_000 });
});

async function held(limit: Limit): Promise<number> {
	return (await limit.get()).held;
}

test('permits: taken, refused, renewed, released', async () => {
	const limit = ruche.limit('permits');
	await assert.rejects(limit.tryAcquire(), NotFoundError);
	await limit.put({ concurrency: 3 });
	const permit = await limit.acquire({ token: 'import-7', units: 2, leaseMs: 60_000 });
	assert.deepEqual([permit.token, permit.units, await held(limit)], ['import-7', 2, 2]);
	const refused = await limit.tryAcquire({ units: 2 });
	assert.deepEqual(refused, { granted: false, retryInMs: null });
	assert.equal(await permit.renew(), true);
	assert.equal(await held(limit), 2);
	await assert.rejects(limit.acquire({ token: 'import-7', units: 1 }), ConflictError); // the token holds two
	await assert.rejects(limit.acquire({ units: 4 }), (error: InvalidFieldError) => error instanceof InvalidFieldError && error.field === 'units');
	await assert.rejects(limit.acquire({ units: 2, timeoutMs: 1 }), (error: TimedOutError) => error instanceof TimedOutError && /'permits'/.test(error.message));
	await assert.rejects(limit.acquire({ units: 2, signal: AbortSignal.abort(new Error('enough')) }), { message: 'enough' });
	const waiting = limit.acquire({ units: 2 }); // random token
	assert.equal(await permit.release(), true);
	assert.equal(await permit.release(), false);
	const second = await waiting;
	assert.match(second.token, /^[0-9a-f-]{36}$/);
	assert.equal(await permit.renew(), false);
	await second[Symbol.asyncDispose]();
	assert.equal(await held(limit), 0);
});

test('a permit of a limit that was deleted is over, and giving it back is no error', async () => {
	const limit = ruche.limit('deleted');
	await limit.put({ concurrency: 1 });
	const permit = await limit.acquire();
	await limit.delete();
	assert.equal(await permit.release(), false);
	await assert.rejects(permit.renew(), NotFoundError);
});

test('a wait for a permit ends when its signal fires', async () => {
	const limit = ruche.limit('aborted');
	await limit.put({ concurrency: 1 });
	await limit.acquire();
	const controller = new AbortController();
	const waiting = assert.rejects(limit.acquire({ signal: controller.signal }), { message: 'enough' });
	controller.abort(new Error('enough'));
	await waiting;
	assert.equal(await held(limit), 1);
});

test('a permit that is granted when nobody waits any more is given back', async () => {
	const limit = ruche.limit('too late');
	await limit.put({ concurrency: 1 });
	const controller = new AbortController();
	const asked = assert.rejects(limit.acquire({ signal: controller.signal }), { message: 'enough' });
	controller.abort(new Error('enough')); // the question is on its way
	await asked;
	assert.equal(await held(limit), 0);
	const kept = limit.acquire({ token: 'mine', signal: AbortSignal.timeout(3_600_000) });
	assert.equal((await kept).token, 'mine');
});

test('a wait for a permit ends when the pause is ended, however long that was meant to be', async (t) => {
	const warnings: string[] = [], warned = ({ name }: Error): number => warnings.push(name);
	process.on('warning', warned); // of a timer that is longer than timers go, and fires at once
	t.after(() => process.off('warning', warned));
	const proxy = await Proxy.before(server.url, t);
	const limit = ruche.limit('monthly');
	await limit.put({ concurrency: 1 });
	await limit.backOff(30 * 86_400_000);
	const waiting = through(proxy).limit('monthly').acquire();
	while (proxy.of('/v1/batch').length < 2) // until it asks again
		await pause(20); // only to keep the machine free
	await limit.backOff(0);
	await waiting;
	assert.deepEqual(warnings, []);
});

test('a rate says when to ask again', async () => {
	const limit = ruche.limit('rated');
	await limit.put({ rate: { max: 1, perMs: 3_600_000 } });
	const [first, second] = [await limit.tryAcquire(), await limit.tryAcquire()] as const;
	// A new rate has a whole span behind it of which nobody knows: neither is granted before it is over.
	assert.equal(second.granted, false);
	assert.ok(!second.granted && second.retryInMs! > 0 && second.retryInMs! <= 3_600_000);
	assert.equal(await held(limit), 0, `${first.granted}: nothing is held where only starts count`);
});

test('a lost answer takes nothing twice, and the repeat hears the same', async (t) => {
	const proxy = await Proxy.before(server.url, t);
	const limit = through(proxy).limit('lost');
	await limit.put({ concurrency: 4 });
	proxy.cuts = 1;
	const permit = await limit.acquire({ units: 3 });
	assert.equal(await held(limit), 3);
	assert.equal(proxy.of('/v1/batch').length, 2);
	proxy.cuts = 1;
	assert.equal(await permit.release(), true);
	assert.equal(await held(limit), 0);
});

test('back-off of a limit, a queue and a group; 0 ends it', async () => {
	const limit = ruche.limit('penalty'), queue = ruche.queue('penalised'), group = queue.group('site-2');
	await limit.put({ concurrency: 9 });
	const job = await queue.enqueue(1, { group: 'site-2' });
	await limit.backOff(3_600_000);
	const view = await limit.get();
	assert.deepEqual([view.code, typeof view.untilAt], ['backed_off', 'string']);
	await limit.backOff(0);
	assert.equal((await limit.get()).code, 'ready');
	await group.backOff(3_600_000);
	assert.equal((await job.explain()).code, 'backed_off');
	await group.backOff(0);
	assert.equal((await job.explain()).code, 'no_worker');
	await queue.backOff(3_600_000);
	assert.equal((await job.explain()).code, 'backed_off');
	await queue.backOff(0);
	assert.equal((await job.explain()).code, 'no_worker');
	await assert.rejects(queue.backOff(-1), (error: InvalidFieldError) => error instanceof InvalidFieldError && error.field === 'delay_ms');
	await assert.rejects(ruche.limit('none').backOff(1), NotFoundError);
});

test('reset makes a queue without jobs as it was when it was made', async () => {
	const queue = ruche.queue('reset');
	await queue.configure({ concurrency: 7, metadata: { owner: 'x' } });
	await queue.pause();
	const job = await queue.enqueue(1);
	await assert.rejects(queue.reset(), ConflictError);
	await job.delete();
	await queue.reset();
	const { paused, settings } = await queue.stats();
	assert.deepEqual([paused, settings.concurrency, settings.metadata ?? {}], [false, 0, {}]);
	await assert.rejects(ruche.queue('never').reset(), NotFoundError);
});
