// The migration from a real Redis, filled by BullMQ 5 and by BullMQ 6; runs with --all.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { after, before, describe, test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import * as six from 'bullmq';
import * as five from 'bullmq-5';
import { createRucheBackend } from '@ruche/bullmq';
import { startRedis, startRuche, until, WITH_REDIS, type Server } from './world.js';

const CLI = fileURLToPath(new URL('../dist/esm/cli.js', import.meta.url));
const HOUR = 3_600_000;
const factory = createRucheBackend as unknown as undefined;

interface Ended {
	readonly code: number | null;
	readonly out: string;
	readonly err: string;
}

interface QueueReport {
	readonly queue: string;
	readonly moved: Record<string, number>;
	readonly already: number;
	readonly skipped: Record<string, string[]>;
	readonly differences: Record<string, number>;
	readonly removed: number;
	readonly paused: boolean;
}

/** The class of one version under another's type: what both have is used only. */
const versions = { 5: five as unknown as typeof six, 6: six };

describe('moving from Redis', { skip: !WITH_REDIS }, () => {
	let redis: Server, ruche: Server, raw: Redis, port: number;
	before(async () => {
		redis = await startRedis();
		ruche = await startRuche();
		({ port } = redis.connection as { port: number });
		raw = new Redis(port);
	});
	after(async () => {
		raw?.disconnect();
		await redis?.stop();
		await ruche?.stop();
	});

	let prefixes = 0;
	const freshPrefix = (): string => `m${++prefixes}`;

	function cli(...words: string[]): Promise<Ended> {
		const child = spawn(process.execPath, [CLI, ...words], { stdio: ['ignore', 'pipe', 'pipe'] });
		let out = '', err = '';
		child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
		child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
		return new Promise((resolve) => child.on('close', (code) => resolve({ code, out, err })));
	}

	function migrate(prefix: string, ...words: string[]): Promise<Ended> {
		return cli('migrate', '--from', `redis://127.0.0.1:${port}`, '--to', String(ruche.connection), '--prefix', prefix, ...words);
	}

	async function moved(prefix: string, ...words: string[]): Promise<QueueReport[]> {
		const { code, out, err } = await migrate(prefix, '--json', ...words);
		assert.equal(err, '');
		assert.ok(code === 0 || code === 3, `${code}: ${out}`);
		return (JSON.parse(out) as { queues: QueueReport[] }).queues;
	}

	/** A queue in Redis. */
	function there(t: TestContext, version: 5 | 6, prefix: string, name = 'q'): six.Queue {
		const queue = new versions[version].Queue(name, { connection: { host: '127.0.0.1', port }, prefix });
		t.after(() => queue.close());
		return queue;
	}

	/** Runs jobs in Redis until that many have ended. */
	async function work(version: 5 | 6, prefix: string, ends: number, run: (job: six.Job) => Promise<unknown>, name = 'q'): Promise<void> {
		const worker = new versions[version].Worker(name, run, { connection: { host: '127.0.0.1', port }, prefix, name: 'theirs' });
		let ended = 0;
		worker.on('completed', () => ended++).on('failed', () => ended++);
		await until(() => ended >= ends);
		await worker.close();
	}

	/** The same queue on Ruche. */
	function here(t: TestContext, prefix: string, name = 'q'): six.Queue {
		const queue = new six.Queue(name, { connection: ruche.connection as never, prefix }, factory);
		t.after(() => queue.close());
		return queue;
	}

	async function takeAll(prefix: string, name = 'q'): Promise<six.Job[]> {
		const worker = new six.Worker(name, null as never, { connection: ruche.connection as never, prefix, autorun: false }, factory);
		const jobs: six.Job[] = [];
		for (let job; (job = await worker.getNextJob('t', { block: false })); await job.moveToCompleted(1, 't', false))
			jobs.push(job);
		await worker.close();
		return jobs;
	}

	for (const version of [5, 6] as const) {
		test(`jobs of bullmq ${version}: ids, order, states, options and data stay`, async (t) => {
			const prefix = freshPrefix(), queue = there(t, version, prefix);
			await queue.add('c', { n: 3 }, { priority: 7 });
			await queue.add('a', { n: 1, text: 'ü\u2028"' }, { attempts: 4, backoff: { type: 'fixed', delay: 5 }, removeOnComplete: 9, keepLogs: 3 });
			await queue.add('b', { n: 2 }, { jobId: 'own-id' });
			await queue.add('first', {}, { lifo: true });
			await queue.add('later', {}, { delay: HOUR });
			const counts = await queue.getJobCounts();
			const [report] = await moved(prefix, '--queue', 'q');
			assert.deepEqual(report!.moved, { waiting: 3, prioritized: 1, delayed: 1 });
			assert.deepEqual(report!.skipped, {});
			assert.deepEqual(report!.differences, {});
			assert.deepEqual(await queue.getJobCounts(), counts, 'Redis is untouched');
			const mine = here(t, prefix);
			assert.equal(await mine.isPaused(), false);
			const [a] = (await mine.getJobs(['waiting'])).filter(({ name }) => name === 'a');
			assert.deepEqual(a!.data, { n: 1, text: 'ü\u2028"' });
			const theirs = await queue.getJob(a!.id!);
			assert.deepEqual({ ...a!.opts }, { ...theirs!.opts });
			assert.equal(a!.timestamp, theirs!.timestamp);
			const [delayed] = await mine.getDelayed(), [theirDelayed] = await queue.getDelayed();
			assert.equal(delayed!.id, theirDelayed!.id);
			assert.equal(delayed!.delay, HOUR);
			const next = await mine.add('next', {});
			assert.equal(next.id, String(Number(await raw.get(`${prefix}:q:id`)) + 1));
			assert.deepEqual((await takeAll(prefix)).map(({ name, id }) => [name, id]),
				[['first', '4'], ['a', '2'], ['b', 'own-id'], ['next', next.id], ['c', '1']]);
		});

		test(`what ended under bullmq ${version} is seen, and can be retried`, async (t) => {
			const prefix = freshPrefix(), queue = there(t, version, prefix);
			await queue.addBulk([{ name: 'good', data: 1 }, { name: 'bad', data: 2, opts: { attempts: 2 } }, { name: 'again', data: 3, opts: { attempts: 3, backoff: HOUR } }]);
			let bad = 0;
			await work(version, prefix, 4, async (job) => {
				await job.log(`at ${job.name}`);
				await job.updateProgress({ half: job.data });
				if (job.name !== 'good')
					throw new Error(`${job.name} ${job.name === 'bad' ? ++bad : ''}`.trim());
				return { fine: [1, null] };
			});
			const [report] = await moved(prefix, '--queue', 'q');
			assert.deepEqual(report!.moved, { completed: 1, failed: 1, delayed: 1 });
			const mine = here(t, prefix);
			for (const id of ['1', '2', '3']) {
				const job = (await mine.getJob(id))!, their = (await queue.getJob(id))!;
				const told = (one: six.Job): unknown => [one.name, one.data, one.returnvalue, one.failedReason, one.stacktrace, one.attemptsMade, one.attemptsStarted,
					one.progress, one.finishedOn, one.processedOn];
				assert.deepEqual(told(job), told(their));
				assert.deepEqual(await mine.getJobLogs(id), await queue.getJobLogs(id));
				assert.equal(await job.getState(), await their.getState());
			}
			assert.equal((await mine.getJob('2'))!.processedBy, 'theirs');
			await (await mine.getJob('2'))!.retry();
			const [retried] = await takeAll(prefix);
			assert.equal(retried!.id, '2');
			assert.equal(retried!.attemptsMade, 3);
		});

		test(`only the newest that ended under bullmq ${version}, or those since`, async (t) => {
			const prefix = freshPrefix(), queue = there(t, version, prefix);
			await queue.addBulk([1, 2, 3, 4].map((n) => ({ name: 'n', data: n })));
			await work(version, prefix, 4, async () => null);
			assert.deepEqual((await moved(prefix, '--queue', 'q', '--dry-run', '--with-finished', '0'))[0]!.moved, {});
			assert.deepEqual((await moved(prefix, '--queue', 'q', '--dry-run', '--finished-since', '1h'))[0]!.moved, { completed: 4 });
			assert.deepEqual((await moved(prefix, '--queue', 'q', '--dry-run', '--finished-since', '2100-01-01'))[0]!.moved, {});
			assert.deepEqual((await moved(prefix, '--queue', 'q', '--with-finished', '2'))[0]!.moved, { completed: 2 });
			assert.deepEqual((await here(t, prefix).getCompleted()).map(({ id }) => id).sort(), ['3', '4']);
		});

		test(`who had failed through a child in bullmq ${version}, and only waited to say so, says it here`, async (t) => {
			const prefix = freshPrefix(), flows = new versions[version].FlowProducer({ connection: { host: '127.0.0.1', port }, prefix });
			t.after(() => flows.close());
			const opts = { failParentOnFailure: true };
			await flows.add({
				name: 'top', queueName: 'p', data: {}, opts: { jobId: 'top' },
				children: [{ name: 'mid', queueName: 'p', data: {}, opts: { ...opts, jobId: 'mid' }, children: [{ name: 'low', queueName: 'c', data: {}, opts: { ...opts, jobId: 'low' } }] }],
			});
			await work(version, prefix, 1, () => Promise.reject(new Error('no')), 'c');
			const reports = await moved(prefix, '--queue', 'p', '--queue', 'c');
			assert.deepEqual(reports.map(({ skipped, differences }) => [skipped, differences]), [[{}, {}], [{}, {}]]);
			const mine = here(t, prefix, 'p');
			assert.equal(await mine.getJobState('mid'), 'waiting');
			const failed: unknown[] = [];
			const worker = new six.Worker('p', () => Promise.reject(new Error('nobody runs it')), { connection: ruche.connection as never, prefix }, factory);
			t.after(() => worker.close());
			worker.on('failed', (job, { message }) => failed.push([job?.id, message]));
			await until(() => failed.length === 2);
			assert.deepEqual(failed, [['mid', `child ${prefix}:c:low failed`], ['top', `child ${prefix}:p:mid failed`]]);
		});

		test(`flows of bullmq ${version} go on where they were`, async (t) => {
			const prefix = freshPrefix(), flows = new versions[version].FlowProducer({ connection: { host: '127.0.0.1', port }, prefix });
			t.after(() => flows.close());
			there(t, version, prefix, 'other');
			const tree = await flows.add({
				name: 'root', queueName: 'q', data: {}, children: [
					{ name: 'middle', queueName: 'q', data: {}, children: [{ name: 'leaf', queueName: 'other', data: {} }] },
					{ name: 'done', queueName: 'early', data: {}, opts: { jobId: 'done-id' } },
				],
			});
			await work(version, prefix, 1, async () => 'its value', 'early');
			const [q, other] = await moved(prefix, '--queue', 'q', '--queue', 'other');
			assert.deepEqual(q!.moved, { 'waiting-children': 2 });
			assert.deepEqual(other!.moved, { waiting: 1 });
			const mine = here(t, prefix);
			assert.equal(await mine.getJobState(tree.job.id!), 'waiting-children');
			assert.deepEqual((await takeAll(prefix, 'other')).map(({ name }) => name), ['leaf']);
			assert.deepEqual((await takeAll(prefix)).map(({ name }) => name), ['middle', 'root']);
			const { children } = await (await fetch(`${String(ruche.connection)}/v1/queues/q/jobs/${tree.job.id}/children?namespace=${prefix}`)).json() as
				{ children: { queue: string; id: string; state: string; value: unknown }[] };
			assert.deepEqual(children.filter(({ queue }) => queue === 'early').map(({ id, state, value }) => [id, state, value]), [['done-id', 'done', 'its value']]);
		});

		test(`a child that failed under bullmq ${version} is still waited for, until it is retried`, async (t) => {
			const prefix = freshPrefix(), flows = new versions[version].FlowProducer({ connection: { host: '127.0.0.1', port }, prefix });
			t.after(() => flows.close());
			await flows.add({ name: 'root', queueName: 'q', data: {}, children: [{ name: 'bad', queueName: 'q', data: {}, opts: { jobId: 'bad-id' } }] });
			await work(version, prefix, 1, () => Promise.reject(new Error('no')));
			const [report] = await moved(prefix, '--queue', 'q', '--with-finished', '0', '--remove', '--wait');
			assert.deepEqual([report!.moved, report!.skipped, report!.removed], [{ 'waiting-children': 1, failed: 1 }, {}, 2]);
			assert.deepEqual(await takeAll(prefix), []);
			await (await here(t, prefix).getJob('bad-id'))!.retry();
			assert.deepEqual((await takeAll(prefix)).map(({ name }) => name), ['bad', 'root']);
		});

		test(`a tree of bullmq ${version} that reaches into a queue that is not moved stays whole`, async (t) => {
			const prefix = freshPrefix(), flows = new versions[version].FlowProducer({ connection: { host: '127.0.0.1', port }, prefix });
			t.after(() => flows.close());
			await flows.add({ name: 'root', queueName: 'q', data: {}, children: [{ name: 'near', queueName: 'q', data: {} }, { name: 'far', queueName: 'other', data: {} }] });
			there(t, version, prefix), there(t, version, prefix, 'other');
			const q = await migrate(prefix, '--json', '--queue', 'q');
			assert.equal(q.code, 3);
			const [report] = (JSON.parse(q.out) as { queues: QueueReport[] }).queues;
			assert.deepEqual(report!.moved, {});
			assert.equal(Object.values(report!.skipped).flat().length, 2);
			assert.match(Object.keys(report!.skipped)[0]!, /queue 'other', which is not moved: name it too \(--queue other\)/);
			const child = await migrate(prefix, '--json', '--queue', 'other');
			assert.equal(child.code, 3);
			assert.match(child.out, /its parent is in queue 'q', which is not moved/);
		});
	}
	for (const version of [5, 6] as const)
		test(`job schedulers of bullmq ${version} keep their times`, async (t) => {
			const prefix = freshPrefix(), queue = there(t, version, prefix);
			await queue.upsertJobScheduler('nightly', { pattern: '0 3 * * *', tz: 'Europe/Paris', limit: 40 }, { name: 'report', data: { kind: 'night' }, opts: { attempts: 3 } });
			await queue.upsertJobScheduler('often', { every: 7 * HOUR }, { name: 'tick', data: { n: 1 } });
			await work(version, prefix, 1, async () => null);
			const before = await queue.getJobSchedulers(0, -1, true), pending = (await queue.getDelayed()).map(({ id }) => id).sort();
			const [report] = await moved(prefix, '--queue', 'q');
			assert.deepEqual(report!.moved, { completed: 1, schedulers: 2 });
			const mine = here(t, prefix), after = await mine.getJobSchedulers(0, -1, true);
			const told = (all: six.JobSchedulerJson[]): unknown => all.map(({ key, name, next, pattern, tz, every, limit, template }) => [key, name, next, pattern, tz, Number(every ?? 0), limit, template]);
			assert.deepEqual(told(after), told(before));
			assert.deepEqual((await mine.getDelayed()).map(({ id }) => id).sort(), pending);
			const [job] = (await mine.getDelayed()).filter(({ name }) => name === 'report');
			assert.deepEqual(job!.data, { kind: 'night' });
			assert.equal(job!.repeatJobKey, 'nightly');
			assert.equal((await mine.getDelayed()).length, 2);
		});

	test('repeatable jobs of bullmq 5, from before there were schedulers', async (t) => {
		const prefix = freshPrefix(), queue = there(t, 5, prefix) as unknown as five.Queue;
		await queue.add('legacy', { old: true }, { repeat: { pattern: '15 * * * *' }, attempts: 2 });
		const [before] = await queue.getRepeatableJobs(), [pending] = await queue.getDelayed();
		const [report] = await moved(prefix, '--queue', 'q');
		assert.deepEqual([report!.moved, report!.skipped], [{ schedulers: 1 }, {}]);
		const [scheduler] = await here(t, prefix).getJobSchedulers();
		assert.deepEqual([scheduler!.key, scheduler!.name, scheduler!.next, scheduler!.pattern], [before!.key, 'legacy', before!.next, '15 * * * *']);
		assert.deepEqual(scheduler!.template!.data, { old: true });
		assert.equal(scheduler!.template!.opts!.attempts, 2);
		assert.deepEqual((await here(t, prefix).getDelayed()).map(({ id }) => id), [pending!.id]);
	});

	test('a dry run says the same and changes nothing', async (t) => {
		const prefix = freshPrefix(), queue = there(t, 6, prefix);
		await queue.addBulk([1, 2].map((n) => ({ name: 'n', data: n })));
		const { code, out, err } = await migrate(prefix, '--all', '--dry-run');
		assert.equal(code, 0);
		assert.match(out, /^q: would move 2 waiting$/m);
		assert.match(out, /Nothing was changed: this was a dry run\./);
		assert.match(err, /^q: 2 waiting$/m);
		assert.equal(await here(t, prefix).getJobCountByTypes('waiting'), 0);
	});

	test('a paused queue stays paused, with its settings', async (t) => {
		const prefix = freshPrefix();
		for (const [version, name] of [[5, 'five'], [6, 'six']] as const) {
			const queue = there(t, version, prefix, name);
			await queue.add('n', 1);
			await queue.pause();
			await queue.setGlobalConcurrency(3);
		}
		const reports = await moved(prefix, '--all');
		assert.deepEqual(reports.map(({ queue, moved, paused }) => [queue, moved, paused]), [['five', { waiting: 1 }, true], ['six', { waiting: 1 }, true]]);
		for (const name of ['five', 'six']) {
			assert.equal(await here(t, prefix, name).isPaused(), true);
			assert.equal(await here(t, prefix, name).getGlobalConcurrency(), 3);
		}
	});

	test('workers that are attached, and active jobs, are in the way; --wait waits for them', async (t) => {
		const prefix = freshPrefix(), queue = there(t, 6, prefix);
		await queue.add('n', 1);
		let release = (): void => undefined;
		const held = new Promise<void>((resolve) => (release = resolve));
		const worker = new six.Worker('q', () => held, { connection: { host: '127.0.0.1', port }, prefix });
		t.after(() => worker.close());
		await until(async () => await queue.getActiveCount() === 1);
		const { code, err } = await migrate(prefix, '--queue', 'q');
		assert.equal(code, 1);
		assert.match(err, /queue 'q' has workers attached \(1\); queue 'q' has active jobs \(1\)\. Close its workers .* or say --wait\..* Nothing was changed\./s);
		assert.equal(await here(t, prefix).getJobCountByTypes('waiting', 'active'), 0);
		const waiting = moved(prefix, '--queue', 'q', '--wait');
		release();
		await worker.close();
		assert.deepEqual((await waiting)[0]!.moved, { completed: 1 });
	});

	test('started again after a part was moved, it moves the rest and doubles nothing; then it refuses', async (t) => {
		const prefix = freshPrefix(), queue = there(t, 6, prefix);
		await queue.addBulk(Array.from({ length: 1200 }, (_, n) => ({ name: 'n', data: n })));
		const cut = spawn(process.execPath, [CLI, 'migrate', '--from', `redis://127.0.0.1:${port}`, '--to', String(ruche.connection), '--prefix', prefix, '--queue', 'q']);
		await until(async () => await here(t, prefix).getJobCountByTypes('waiting') > 0);
		cut.kill('SIGKILL');
		const mine = here(t, prefix), before = await mine.getJobCountByTypes('waiting');
		assert.equal(await mine.isPaused(), true);
		const [report] = await moved(prefix, '--queue', 'q');
		assert.ok(report!.already >= before);
		assert.equal(report!.already + (report!.moved['waiting'] ?? 0), 1200);
		assert.equal(await mine.isPaused(), false);
		assert.deepEqual((await mine.getWaiting(0, -1)).map(({ data }) => data as number), Array.from({ length: 1200 }, (_, n) => n));
		const again = await migrate(prefix, '--queue', 'q');
		assert.equal(again.code, 1);
		assert.match(again.err, /queue 'q' was moved on .*--again/);
		await queue.add('late', 1);
		assert.deepEqual((await moved(prefix, '--queue', 'q', '--again'))[0]!.moved, { waiting: 1 });
	});

	test('--remove takes out of Redis what was moved', async (t) => {
		const prefix = freshPrefix(), queue = there(t, 5, prefix);
		await queue.addBulk([{ name: 'a', data: 1 }, { name: 'p', data: 1, opts: { priority: 2 } }, { name: 'd', data: 1, opts: { delay: HOUR } }]);
		await queue.upsertJobScheduler('s', { every: HOUR }, { name: 'tick' });
		await raw.hset(`${prefix}:q:broken`, 'name', 'broken', 'data', '{not json', 'opts', '{}', 'timestamp', '1');
		await raw.lpush(`${prefix}:q:wait`, 'broken');
		const [report] = await moved(prefix, '--queue', 'q', '--remove', '--wait');
		assert.deepEqual(report!.skipped, { 'its data is no JSON': ['broken'] });
		assert.equal(report!.removed, 4);
		assert.deepEqual((await raw.keys(`${prefix}:q:*`)).filter((key) => !/:(id|meta|events|marker|pc|stalled-check)$/.test(key)).sort(),
			[`${prefix}:q:broken`, `${prefix}:q:wait`]);
	});

	test('deduplication keys go with their owners', async (t) => {
		const prefix = freshPrefix(), queue = there(t, 6, prefix);
		const job = await queue.add('n', 1, { deduplication: { id: 'k' } });
		await queue.add('n', 2, { deduplication: { id: 'timed', ttl: HOUR } });
		await moved(prefix, '--queue', 'q', '--remove');
		assert.deepEqual(await raw.keys(`${prefix}:q:de:*`), []);
		const mine = here(t, prefix);
		assert.equal((await mine.add('n', 3, { deduplication: { id: 'k' } })).id, job.id);
		assert.equal(await mine.getDeduplicationJobId('timed'), '2');
	});

	test('a job whose id another has on the daemon is left, and said', async (t) => {
		const prefix = freshPrefix(), queue = there(t, 6, prefix), mine = here(t, prefix);
		await mine.add('mine', 1);
		await queue.add('theirs', 1);
		await queue.add('theirs', 2);
		const [report] = await moved(prefix, '--queue', 'q');
		assert.deepEqual([report!.moved, report!.skipped], [{ waiting: 1 }, { 'another job has this id on the daemon': ['1'] }]);
		assert.equal((await mine.getJob('1'))!.name, 'mine');
	});

	test('a scheduler that the daemon does not take is left, and said', async (t) => {
		const prefix = freshPrefix(), queue = there(t, 6, prefix), key = 'k'.repeat(600);
		await queue.upsertJobScheduler(key, { pattern: '0 3 * * *' }, { name: 'n' });
		const [report] = await moved(prefix, '--queue', 'q', '--remove');
		assert.deepEqual(report!.moved, {});
		assert.deepEqual(Object.entries(report!.skipped).map(([reason, keys]) => [/^refused: jobSchedulerId: .*512/.test(reason), keys]), [[true, [key]]]);
		assert.equal((await queue.getJobSchedulers()).length, 1);
	});

	test('what is in the way is said, and how to go on', async (t) => {
		const prefix = freshPrefix();
		there(t, 6, prefix, 'real');
		await until(async () => await raw.exists(`${prefix}:real:meta`) === 1);
		const missing = await migrate(prefix, '--queue', 'unreal');
		assert.equal(missing.code, 1);
		assert.match(missing.err, /there is no queue 'unreal' under the prefix '\w+'; these are there: real/);
		const unreachable = await cli('migrate', '--from', 'redis://:secret@127.0.0.1:1', '--queue', 'q');
		assert.equal(unreachable.code, 1);
		assert.match(unreachable.err, /cannot reach Redis at redis:\/\/127\.0\.0\.1:1: .*ECONNREFUSED/);
		const native = await fetch(`${String(ruche.connection)}/v1/jobs`, { method: 'POST', body: JSON.stringify({ namespace: prefix, queue: 'real' }),
			headers: { 'content-type': 'application/json' } });
		assert.equal(native.status, 201);
		assert.match((await migrate(prefix, '--queue', 'real')).err, /keeps Ruche's own rules and has 1 jobs/);
	});
});
