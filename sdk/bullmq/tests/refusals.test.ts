// Bad input: what BullMQ refuses is refused in its words and codes, also the rarer ones; what only the daemon refuses says the field and the reason.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Job } from 'bullmq';
import { RucheError } from '@ruche/bullmq';
import { Proxy } from './proxy.js';
import { cases, refusal, startRuche, takeOne, World, type Server } from './world.js';

const HOUR = 3_600_000;

cases('refusals', {
	'a scheduler whose times are all taken': {
		is: [{ message: 'Cannot create job scheduler iteration - current and next time slots already have jobs. addJobScheduler', code: -11 }, 0, 33],
		async run(world) {
			const queue = world.queue(), startDate = Date.UTC(2090, 0, 1);
			await queue.addBulk(Array.from({ length: 33 }, (_, i) => ({ name: 'mine', data: 1, opts: { jobId: `repeat:k:${startDate + i * HOUR}` } })));
			return [await refusal(queue.upsertJobScheduler('k', { every: HOUR, startDate })), await queue.getJobSchedulersCount(), await queue.count()];
		},
	},
});

describe('what only the daemon refuses', () => {
	let server: Server, world: World;
	before(async () => {
		server = await startRuche();
		world = new World('ruche', server.connection);
	});
	after(async () => {
		await world?.close();
		await server?.stop();
	});

	test('field and reason, and nothing is changed', async () => {
		const queue = world.queue();
		await queue.add('waits', 1, { jobId: 'waits' });
		await queue.add('runs', 1, { jobId: 'runs', lifo: true });
		const active = await takeOne(world), waiting = (await queue.getJob('waits')) as Job;
		const long = 'x'.repeat(70_000), minutes = Array.from({ length: 60 }, (_, i) => i).join(',');
		const everything = async (): Promise<string> => JSON.stringify([
			await queue.getJobCounts(), await queue.getMeta(), await queue.getJobSchedulersCount(), await queue.getJobLogs('runs'),
			await queue.getJobs(['waiting', 'active', 'delayed']).then((jobs) => jobs.map((job) => job.toJSON())),
		]);
		const was = await everything();
		const calls: Record<string, [() => Promise<unknown>, string]> = {
			'options above 64 KiB': [() => queue.add('a', 1, { note: long } as object), 'opts'],
			'an id above 512 bytes': [() => queue.add('a', 1, { jobId: 'i'.repeat(513) }), 'opts.jobId'],
			'a key above 512 bytes': [() => queue.add('a', 1, { deduplication: { id: 'k'.repeat(513) } }), 'opts.deduplication.id'],
			'a delay of ages': [() => queue.add('a', 1, { delay: 1e15 }), 'opts.delay'],
			'one bad job among good ones': [() => queue.addBulk([{ name: 'a', data: 1 }, { name: 'b', data: 2, opts: { jobId: 'i'.repeat(513) } }]), 'jobs[1].opts.jobId'],
			'one bad node of a flow': [() => world.flows().add({ name: 'a', queueName: 'q', children: [
				{ name: 'b', queueName: 'q' }, { name: 'c', queueName: 'q', children: [{ name: 'd', queueName: 'q', opts: { jobId: 'i'.repeat(513) } }] },
			] }), 'children[1].children[0].opts.jobId'],
			'one bad flow of several': [() => world.flows().addBulk([
				{ name: 'a', queueName: 'q' }, { name: 'b', queueName: 'q', data: 1, opts: { note: long } as object },
			]), 'flows[1].opts'],
			'a log line above 8 KiB': [() => active.log(long), 'logRow'],
			'progress above 16 KiB': [() => active.updateProgress({ long }), 'progress'],
			'a pattern above 255 bytes': [() => queue.upsertJobScheduler('k', { pattern: `${minutes} ${minutes} * * * *` }), 'repeatOpts.pattern'],
			'data of a scheduler above 256 KiB': [() => queue.upsertJobScheduler('k', { every: HOUR }, { name: 'n', data: 'x'.repeat(300_000) }), 'jobTemplate.data'],
			'another time of ages': [() => waiting.changeDelay(1e15), 'delay'],
			'a concurrency below nothing': [() => queue.setGlobalConcurrency(-1), 'concurrency'],
		};
		for (const [name, [call, field]] of Object.entries(calls)) {
			const error = await call().then(() => undefined, (refused: unknown) => refused);
			assert.ok(error instanceof RucheError, `${name}: ${String(error)}`);
			assert.equal(error.field, field, name);
			assert.ok(error.message.startsWith(`${field}: `), `${name}: ${error.message}`);
			assert.ok(error.stack!.includes(error.message) && !error.stack!.includes('ops['), `${name}: what is printed is ${error.stack}`);
		}
		assert.equal(await everything(), was);
	});

	test('a job that is refused as a whole is named by its place alone', async (t) => {
		const proxy = await Proxy.before(String(server.connection), t);
		const behind = new World('ruche', { url: proxy.url, patienceMs: 1 } as never);
		t.after(() => behind.close());
		let at = 1;
		proxy.answer = ({ line }) => (/ \/v1\/batch /.test(line)
			? { status: 503, body: JSON.stringify({ type: 'x', title: 'x', status: 503, code: 'backlog_full', detail: 'It is full.', field: `ops[${at}]` }) } : undefined);
		const flow = { name: 'a', queueName: 'q', children: [{ name: 'b', queueName: 'q' }] };
		const jobs = [{ name: 'a', data: 1 }, { name: 'b', data: 2 }];
		await assert.rejects(behind.queue().addBulk(jobs), { field: 'jobs[1]', message: 'jobs[1]: It is full. (backlog_full)' });
		await assert.rejects(behind.flows().add(flow), { field: 'children[0]', message: 'children[0]: It is full. (backlog_full)' });
		at = 0;
		await assert.rejects(behind.flows().add(flow), { field: undefined, message: 'It is full. (backlog_full)' });
	});
});
