// The way to the daemon: what is sent, what is sent again, what happens when it is not there.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, mock, test, type TestContext } from 'node:test';
import { Queue, Worker, type ConnectionOptions, type Job, type WorkerOptions } from 'bullmq';
import { createRucheBackend, type RucheConnection } from '@ruche/bullmq';
import { Proxy } from './proxy.js';
import { heard, startRuche, until, type Server } from './world.js';

let server: Server;
before(async () => {
	server = await startRuche();
});
after(() => server.stop());

const as = (connection: RucheConnection): ConnectionOptions => connection as unknown as ConnectionOptions;
const factory = createRucheBackend as unknown as undefined;

function queueAt(t: TestContext, connection: RucheConnection, name = `q-${randomUUID()}`): Queue {
	const queue = new Queue(name, { connection: as(connection) }, factory);
	queue.on('error', () => undefined);
	t.after(() => queue.close());
	return queue;
}

function workerAt(t: TestContext, connection: RucheConnection, name: string, run: (job: Job) => Promise<unknown>, opts: Partial<WorkerOptions> = {}): Worker {
	const worker = new Worker(name, run, { connection: as(connection), skipStalledCheck: true, ...opts }, factory);
	worker.on('error', () => undefined);
	t.after(() => worker.close());
	return worker;
}

const url = (): string => server.connection as string;
const unreachable = { code: 'ECONNREFUSED', name: 'UnreachableError' };

test('calls of one tick are one request', async (t) => {
	const proxy = await Proxy.before(url(), t);
	const queue = queueAt(t, proxy.url);
	await queue.waitUntilReady();
	await queue.getVersion();
	const batches = proxy.of('/v1/batch').length;
	await Promise.all(Array.from({ length: 200 }, (_, i) => queue.add('a', i)));
	assert.equal(proxy.of('/v1/batch').length, batches + 1);
	const seen = proxy.requests.length;
	assert.equal((await queue.getWaiting()).length, 200);
	assert.equal(proxy.requests.length, seen + 2); // the ids, then all of the jobs
	assert.equal((await Promise.all(Array.from({ length: 30 }, (_, i) => queue.getJobState(String(i + 1))))).length, 30);
	assert.equal(proxy.requests.length, seen + 3);
});

test('a worker waits in one request, whatever its concurrency', async (t) => {
	const proxy = await Proxy.before(url(), t);
	const queue = queueAt(t, url());
	await queue.waitUntilReady();
	const worker = workerAt(t, proxy.url, queue.name, async () => 1, { concurrency: 8 });
	await worker.waitUntilReady();
	await until(() => proxy.of('/v1/claims').length === 1);
	const done = heard(worker, 'completed', 20);
	await queue.addBulk(Array.from({ length: 20 }, (_, i) => ({ name: 'a', data: i })));
	await done;
	await until(() => proxy.of('/v1/claims').length === 2);
	assert.ok(proxy.of('/v1/batch').length < 30);
});

test('what wakes a worker brings the job', async (t) => {
	const proxy = await Proxy.before(url(), t);
	const queue = queueAt(t, url());
	await queue.waitUntilReady();
	const worker = workerAt(t, proxy.url, queue.name, async (job) => job.data as number);
	await until(() => proxy.of('/v1/claims').length === 1);
	const before = proxy.of('/v1/batch').length;
	const done = heard(worker, 'completed');
	await queue.add('a', 1);
	await done;
	const { body } = proxy.of('/v1/batch')[before]!;
	assert.match(body, /^\{("now_ms":\d+,)?"ops":\[\{"op":"complete"/);
});

test('by address, by URL object, by host and port, by Unix socket', async (t) => {
	const { hostname, port } = new URL(url());
	const socket = await startRuche(true);
	t.after(() => socket.stop());
	const path = (socket.connection as string).slice('unix:'.length);
	for (const connection of [url(), new URL(url()), { url: url() }, { host: hostname, port: Number(port) }, socket.connection as string, { path }])
		assert.equal((await queueAt(t, connection as RucheConnection).add('a', 1)).id, '1');
});

test('the token goes along, from wherever it is given', async (t) => {
	const proxy = await Proxy.before(url(), t);
	const { port } = new URL(proxy.url);
	const given: RucheConnection[] = [`http://rch_secret@127.0.0.1:${port}`, { url: proxy.url, token: 'rch_secret' }, { host: '127.0.0.1', port: Number(port), password: 'rch_secret' }];
	for (const connection of given) {
		const queue = queueAt(t, connection);
		await queue.add('a', 1).catch(() => undefined);
		const { head } = proxy.requests.at(-1)!;
		assert.match(head, /authorization: Bearer rch_secret\r\n/i);
	}
});

test('what is no connection is refused at once, with the reason', () => {
	for (const [connection, reason] of [
		['redis://127.0.0.1:6379', /'redis:' is not spoken by Ruche/], ['here', /is no address of a daemon/], ['unix:relative', /unix:\/absolute\/path/],
		[{ duplicate: () => undefined }, /this is a Redis client/], [7, /expected 'http/], [{ patienceMs: -1 }, /connection\.patienceMs/],
	] as const)
		assert.throws(() => new Queue('q', { connection: as(connection as never) }, factory), reason);
});

test('a daemon that is not there: an error that says so, in time', async (t) => {
	const gone = await startRuche();
	await gone.stop();
	const queue = queueAt(t, { url: gone.connection as string, patienceMs: 200 });
	const told = heard(queue, 'error');
	const refused = assert.rejects(queue.add('a', 1), unreachable); // before it is ready: waits for it, but not for ever
	const [[error]] = await told as [[Error & { code: string }]];
	assert.equal(error.code, 'ECONNREFUSED');
	assert.match(error.message, /^cannot reach Ruche at http:\/\/127\.0\.0\.1:\d+: connection refused \(ECONNREFUSED\)\. Does the daemon run there/);
	await queue.close();
	await refused;
});

test('a daemon that went away: a queue gives up after its patience, and goes on when it is back', async (t) => {
	const own = await startRuche();
	t.after(() => own.stop());
	const queue = queueAt(t, { url: own.connection as string, patienceMs: 150 });
	await queue.add('a', 1, { jobId: 'first' });
	await own.kill();
	await assert.rejects(queue.add('a', 2, { jobId: 'second' }), unreachable);
	await own.restart();
	assert.equal((await queue.add('a', 3, { jobId: 'third' })).id, 'third');
	assert.deepEqual((await queue.getWaiting()).map((job) => job.id).filter((id) => id !== 'second'), ['first', 'third']);
});

test('kill -9 under load: workers go on by themselves, nothing is lost', { timeout: 60_000 }, async (t) => {
	const own = await startRuche();
	t.after(() => own.stop());
	const queue = queueAt(t, { url: own.connection as string, patienceMs: 20_000 });
	const done = new Map<string, number>();
	const worker = workerAt(t, own.connection as string, queue.name, async (job) => {
		await new Promise((resolve) => setTimeout(resolve, 2));
		done.set(job.id!, (done.get(job.id!) ?? 0) + 1);
	}, { concurrency: 10, lockDuration: 2_000 });
	const added: string[] = [];
	const adding = (async () => {
		for (let i = 0; i < 200; i++)
			added.push((await queue.add('a', i)).id!);
	})();
	await until(() => done.size > 30);
	await own.kill();
	await own.restart();
	await adding;
	assert.equal(new Set(added).size, 200);
	// What was claimed in the answer that got lost waits for the workers' sweep; all else is done.
	await until(async () => {
		const { waiting, active } = await queue.getJobCounts('waiting', 'active') as { waiting: number; active: number };
		return waiting === 0 && active <= 10 && done.size + active >= 200;
	});
	assert.ok(worker.isRunning());
});

test('an answer that gets lost: added once, completed once', async (t) => {
	const proxy = await Proxy.before(url(), t);
	const queue = queueAt(t, proxy.url);
	await queue.add('a', 0);
	proxy.cutOn = ({ body }) => body.includes('"enqueue"');
	proxy.cuts = 1;
	assert.equal((await queue.add('b', 1)).id, '2');
	assert.equal(proxy.cuts, 0);
	assert.equal(await queue.getWaitingCount(), 2);

	const behind = await Proxy.before(url(), t);
	behind.cutOn = ({ body }) => body.includes('"complete"');
	behind.cuts = 1;
	const worker = workerAt(t, behind.url, queue.name, async (job) => job.data as number);
	const failed: unknown[] = [];
	worker.on('failed', (...args) => failed.push(args));
	await heard(worker, 'completed', 1);
	await until(async () => await queue.getCompletedCount() >= 1);
	assert.equal(behind.cuts, 0);
	assert.deepEqual([failed, (await queue.getJob('1'))!.attemptsMade], [[], 1]);
});

test('what begins after close stays open; after disconnect it is refused; a sibling closes nothing', async (t) => {
	const queue = queueAt(t, url());
	await queue.add('a', 1);
	const backend = queue.getBackend() as unknown as ReturnType<typeof createRucheBackend>;
	const sibling = backend.forQueue(`${queue.name}-2`);
	assert.equal(sibling.qualifiedName, `bull:${queue.name}-2`);
	assert.deepEqual(await sibling.getCounts(['waiting']), [0]);
	await sibling.close();
	assert.deepEqual(await backend.getCounts(['waiting']), [1]);
	const under = queue.add('b', 2); // under way when it closes
	const closed = queue.close();
	assert.equal((await under).id, '2');
	await closed;
	const open = Promise.race([backend.getCounts(['waiting']).then(() => 'settled', () => 'settled'), new Promise((resolve) => setTimeout(() => resolve('open'), 30))]);
	assert.equal(await open, 'open');
	const other = queueAt(t, url());
	await other.waitUntilReady();
	await other.disconnect();
	await assert.rejects(other.getJobCounts(), { message: 'Connection is closed.' });
});

test('a worker that closes gives up its wait at once', async (t) => {
	const queue = queueAt(t, url());
	const proxy = await Proxy.before(url(), t);
	const worker = workerAt(t, proxy.url, queue.name, async () => 1, { drainDelay: 60 });
	await until(() => proxy.of('/v1/claims').length === 1);
	const begun = performance.now();
	await worker.close();
	assert.ok(performance.now() - begun < 20_000); // not the drain delay
	await queue.add('a', 1);
	assert.equal(await queue.getJobState('1'), 'waiting');
});

test('a worker closes also when the daemon is gone', async (t) => {
	const own = await startRuche();
	t.after(() => own.stop());
	const queue = queueAt(t, { url: own.connection as string, patienceMs: 100 });
	await queue.waitUntilReady();
	const worker = workerAt(t, own.connection as string, queue.name, async () => 1);
	await worker.waitUntilReady();
	await own.kill();
	await worker.close();
});

test('names and keys', async (t) => {
	const backend = queueAt(t, url(), 'näme').getBackend() as unknown as ReturnType<typeof createRucheBackend>;
	assert.equal(backend.toKey('x'), 'bull:näme:x');
	assert.equal(backend.clientName(':w:me'), `bull:${Buffer.from('näme').toString('base64')}:w:me`);
	assert.deepEqual(backend.parseNodeKey('a:b:q:17'), { prefix: 'a:b', queueName: 'q', id: '17' });
	assert.deepEqual(backend.keys, {});
});

test('a daemon of another time is told apart when connecting', async (t) => {
	const proxy = await Proxy.before(url(), t);
	const said: [{ status: number; body: string }, RegExp][] = [
		[{ status: 404, body: '{"type":"x","title":"nothing","status":404,"code":"not_found"}' }, /is too old for @ruche\/bullmq/],
		[{ status: 200, body: '{"version":"9.0.0","api":[2,3]}' }, /speaks version 1 of the API, ruche 9\.0\.0 .* speaks 2 to 3: update @ruche\/bullmq/],
	];
	for (const [answer, words] of said) {
		proxy.answer = ({ line }) => (/ \/v1 /.test(line) ? answer : undefined);
		const queue = queueAt(t, proxy.url);
		await assert.rejects(queue.waitUntilReady(), words);
		await assert.rejects(queue.add('a', 1), words);
	}
});

test('a queue that keeps Ruche\'s own rules is left alone', async (t) => {
	const name = `native-${randomUUID()}`;
	const body = JSON.stringify({ queue: name, namespace: 'bull', payload: 1 });
	assert.equal((await fetch(`${url()}/v1/jobs`, { method: 'POST', headers: { 'content-type': 'application/json' }, body })).status, 201);
	const queue = queueAt(t, url(), name);
	await assert.rejects(queue.add('a', 1), { code: 'compat_mismatch', field: 'queueName' });
	assert.equal(await queue.getWaitingCount(), 1);
});

test('faked timers do not stop it', async (t) => {
	const queue = queueAt(t, url());
	await queue.waitUntilReady();
	mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'setImmediate', 'Date'], now: Date.now() });
	try {
		await queue.add('a', 1);
		assert.equal((await queue.getWaiting()).length, 1);
	} finally {
		mock.timers.reset();
	}
});
