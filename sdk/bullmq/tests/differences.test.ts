// Where Ruche differs from Redis on purpose (README), as far as the other files do not show it.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Job, Queue } from 'bullmq';
import { stepsBefore } from './steps.js';
import { cases, heard, ids, startRuche, takeOne, until, World, type Case } from './world.js';

const HOUR = 3_600_000, LONG = 'x'.repeat(1_100_000), STACK = `Error: no\n${'    at somewhere\n'.repeat(2000)}`;

const LONG_ID = 'i'.repeat(513);

const fieldOf = (error: { field?: string; message: string }): string => error.field ?? error.message;

/** Whether somebody else may see a part of it, while it is under way: looks before each piece of what is sent. */
async function seenBetween(world: World, act: (queue: Queue, steps: { queue: Queue }) => Promise<{ count: number; during: () => Promise<void> }>): Promise<boolean> {
	const steps = await stepsBefore(world.connection);
	world.after(() => steps.close());
	const queue = world.queue(), stepping = world.queue('q', { connection: steps.connection as unknown as object });
	await stepping.count();
	const { count, during } = await act(queue, { queue: stepping });
	let seen = false;
	steps.look = async () => {
		const now = await queue.count();
		seen ||= now > 0 && now < count;
	};
	await during();
	steps.look = undefined;
	return seen;
}

cases('differences', {
	'clean takes no running job, whose lock may be over': {
		is: [[], 'active'],
		onRedis: { is: [['1'], 'unknown'], because: 'the check for stalled jobs puts them back' },
		async run(world) {
			const queue = world.queue();
			await queue.add('a', 1);
			const job = await takeOne(world, 'mine', { lockDuration: 20 });
			await new Promise((resolve) => setTimeout(resolve, 40));
			return [await queue.clean(0, 10, 'active'), await job.getState()];
		},
	},
	'clean goes by the time of the add': {
		is: [[], ['1']],
		onRedis: { is: [['1'], []], because: 'a payload need not be read for it' },
		async run(world) {
			const queue = world.queue();
			await queue.add('a', 1, { delay: 3 * HOUR, timestamp: Date.now() - HOUR });
			const early = await queue.clean(HOUR / 2, 10, 'delayed');
			let late: string[] = [];
			while (!early.length && !late.length) // until it is older than nothing
				late = await queue.clean(0, 10, 'delayed');
			return [early, late];
		},
	},
	'a result above 1 MiB is kept, and null in events': {
		is: [LONG.length, true],
		onRedis: { is: [LONG.length, false], because: 'events are bounded' },
		async run(world) {
			const queue = world.queue(), events = await world.events({ lastEventId: '0' });
			const told = heard(events, 'completed');
			await queue.add('a', 1);
			await (await takeOne(world)).moveToCompleted(LONG, 'mine', false);
			const [[{ returnvalue }]] = await told as [[{ returnvalue: unknown }]];
			return [((await queue.getJob('1'))!.returnvalue as string).length, returnvalue === null];
		},
	},
	'a stack above 16 KiB is cut': {
		is: [true, true],
		onRedis: { is: [true, false], because: 'it is bounded' },
		async run(world) {
			const queue = world.queue();
			await queue.add('a', 1);
			await (await takeOne(world)).moveToFailed(Object.assign(new Error('no'), { stack: STACK }), 'mine', false);
			const [stack] = (await queue.getJob('1'))!.stacktrace as string[];
			return [stack!.startsWith('Error: no\n    at somewhere'), stack!.length < STACK.length];
		},
	},
	'equal finish times are in the order of the adds': {
		is: [true, ['added second', 'but first by its id']],
		onRedis: { is: [true, ['but first by its id', 'added second']], because: 'an id says nothing of the time' },
		async run(world) {
			const queue = world.queue();
			await queue.addBulk(['but first by its id', 'added second'].map((jobId) => ({ name: 'a', data: 1, opts: { jobId } })));
			const worker = world.worker(null, { autorun: false }), now = Date.now, at = now();
			const [first, second] = [(await worker.getNextJob('a')) as Job, (await worker.getNextJob('b')) as Job];
			Date.now = () => at; // both in one millisecond, and in one request
			try {
				await Promise.all([second.moveToCompleted(1, 'b', false), first.moveToCompleted(1, 'a', false)]);
			} finally {
				Date.now = now;
			}
			const ended = await queue.getCompleted();
			return [ended[0]!.finishedOn === ended[1]!.finishedOn, ids(ended)];
		},
	},
	'draining goes in pages': {
		is: true,
		onRedis: { is: false, because: 'the daemon goes on serving in between' },
		run: (world) => seenBetween(world, async (queue, steps) => {
			const count = 1_100;
			await queue.addBulk(Array.from({ length: count }, (_, i) => ({ name: 'a', data: i })));
			return { count, during: async () => void await steps.queue.drain() };
		}),
	},
	'adding many is all or nothing': {
		is: false,
		onRedis: { is: true, because: 'there it is a pipeline' },
		run: (world) => seenBetween(world, async (_queue, steps) => {
			const jobs = Array.from({ length: 10 }, (_, i) => ({ name: 'a', data: 'x'.repeat(150_000), opts: { jobId: `j${i}` } }));
			return { count: jobs.length, during: async () => void await steps.queue.addBulk(jobs) };
		}),
	},
	'adding very many is so in parts': {
		is: ['jobs[2].opts.jobId', ['a', 'b']],
		onRedis: { is: ['taken', ['a', 'b', LONG_ID]], because: 'it takes any id' },
		async run(world) {
			const queue = world.queue();
			const told = await queue.addBulk(['a', 'b', LONG_ID].map((jobId) => ({ name: 'a', data: 'x'.repeat(900_000), opts: { jobId } }))).then(() => 'taken', fieldOf);
			await until(async () => await queue.count() >= 2); // the parts that were taken
			return [told, ids(await queue.getWaiting())];
		},
	},
	'ends are counted by the minute, whoever asked for it': {
		is: 1,
		onRedis: { is: 0, because: 'they are counted at once' },
		async run(world) {
			const queue = world.queue();
			await queue.add('a', 1);
			const worker = world.worker(async () => 1);
			await heard(worker, 'completed');
			await until(async () => await queue.getCompletedCount() === 1);
			return (await queue.getMetrics('completed')).meta.count;
		},
	},
});

/** Whether it is taken, or which field is told. */
function bound(field: string, act: (world: World) => Promise<unknown>, because = 'a bound, refused with the field'): Case {
	return { is: field, onRedis: { is: 'taken', because }, run: (world) => act(world).then(() => 'taken', fieldOf) };
}

const HUGE = 'x'.repeat(70_000), MINUTES = Array.from({ length: 60 }, (_, i) => i).join(',');

cases('bounds', {
	'a log line': bound('logRow', async (world) => (await world.queue().add('a', 1)).log(HUGE)),
	'progress': bound('progress', async (world) => (await world.queue().add('a', 1)).updateProgress({ HUGE })),
	'options': bound('opts', (world) => world.queue().add('a', 1, { note: HUGE } as object)),
	'an id': bound('opts.jobId', (world) => world.queue().add('a', 1, { jobId: LONG_ID })),
	'a deduplication id': bound('opts.deduplication.id', (world) => world.queue().add('a', 1, { deduplication: { id: LONG_ID } })),
	'a delay': bound('opts.delay', (world) => world.queue().add('a', 1, { delay: 1e12 })),
	'the data of a scheduler': bound('jobTemplate.data', (world) => world.queue().upsertJobScheduler('k', { every: HOUR }, { name: 'n', data: 'x'.repeat(300_000) })),
	'a pattern': bound('repeatOpts.pattern', (world) => world.queue().upsertJobScheduler('k', { pattern: `${MINUTES} ${MINUTES} * * * *` })),
	'a concurrency': bound('concurrency', (world) => world.queue().setGlobalConcurrency(-1)),
});

cases('differences after a restart', {
	'the window of a rate': {
		is: null,
		onRedis: { is: '2', because: 'what was started before is not known exactly' },
		async run(world) {
			const queue = world.queue();
			await queue.setGlobalRateLimit(2, HOUR);
			await queue.addBulk([1, 2, 3].map((n) => ({ name: 'a', data: n })));
			await takeOne(world);
			await world.restart();
			const worker = world.worker(null, { autorun: false });
			await worker.waitUntilReady();
			return (await worker.getNextJob('later', { block: false }) as { id?: string } | undefined)?.id ?? null;
		},
	},
}, { lasting: true });

describe('through the API of Ruche', () => {
	test('a job that was cancelled there reads as failed, and is in no list of those', async (t) => {
		const server = await startRuche(), world = new World('ruche', server.connection);
		t.after(async () => {
			await world.close();
			await server.stop();
		});
		const queue = world.queue(), at = String(server.connection);
		const job = await queue.add('a', 1);
		const { uid } = await (await fetch(`${at}/v1/queues/q/jobs/${job.id}?namespace=${world.prefix}`)).json() as { uid: string };
		await fetch(`${at}/v1/jobs/${uid}/cancel`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"reason":"no longer"}' });
		assert.deepEqual([await job.getState(), await job.isFailed(), await queue.getFailedCount(), await queue.count()], ['failed', true, 0, 0]);
	});
});
