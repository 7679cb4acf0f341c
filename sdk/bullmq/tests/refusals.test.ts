// Bad input: what BullMQ refuses is refused in its words and codes, also the rarer ones; what only the daemon refuses says the field and the reason.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Job } from 'bullmq';
import { RucheError } from '@ruche/bullmq';
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
			'options above 64 KiB': [() => queue.add('a', 1, { note: long } as object), 'metadata'],
			'an id above 512 bytes': [() => queue.add('a', 1, { jobId: 'i'.repeat(513) }), 'id'],
			'a key above 512 bytes': [() => queue.add('a', 1, { deduplication: { id: 'k'.repeat(513) } }), 'dedup.key'],
			'a delay of ages': [() => queue.add('a', 1, { delay: 1e15 }), 'delay_ms'],
			'one bad job among good ones': [() => queue.addBulk([{ name: 'a', data: 1 }, { name: 'b', data: 2, opts: { jobId: 'i'.repeat(513) } }]), 'ops[1].id'],
			'a log line above 8 KiB': [() => active.log(long), 'line'],
			'progress above 16 KiB': [() => active.updateProgress({ long }), 'progress'],
			'a pattern above 255 bytes': [() => queue.upsertJobScheduler('k', { pattern: `${minutes} ${minutes} * * * *` }), 'schedule.pattern'],
			'data of a scheduler above 256 KiB': [() => queue.upsertJobScheduler('k', { every: HOUR }, { name: 'n', data: 'x'.repeat(300_000) }), 'payload'],
			'another time of ages': [() => waiting.changeDelay(1e15), 'delay_ms'],
			'a concurrency below nothing': [() => queue.setGlobalConcurrency(-1), 'settings.concurrency'],
		};
		for (const [name, [call, field]] of Object.entries(calls)) {
			const error = await call().then(() => undefined, (refused: unknown) => refused);
			assert.ok(error instanceof RucheError, `${name}: ${String(error)}`);
			assert.equal(error.field, field, name);
		}
		assert.equal(await everything(), was);
	});
});
