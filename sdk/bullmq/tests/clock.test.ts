// Programs that live by a clock of their own: tests that fake it.
import { cases, heard, takeOne, type World } from './world.js';

const HOUR_MS = 3_600_000;

/** Runs with a clock that is moved on by hand; the real one is back afterwards. */
async function underAClock<T>(atMs: number, run: (move: (ms: number) => void) => Promise<T>): Promise<T> {
	const real = Date.now;
	let now = atMs;
	Date.now = () => now;
	try {
		return await run((ms) => {
			now += ms;
		});
	} finally {
		Date.now = real;
	}
}

const next = async (world: World): Promise<string | null> => (await world.worker(null, { autorun: false }).getNextJob('t', { block: false }))?.id ?? null;

const delays = (atMs: number) => async (world: World): Promise<unknown> => underAClock(atMs, async (move) => {
	const queue = world.queue();
	const job = await queue.add('a', 1, { delay: HOUR_MS });
	const before = [await next(world), await job.getState()];
	move(HOUR_MS - 1);
	const nearly = await next(world);
	move(1);
	const taken = await takeOne(world);
	const started = taken.processedOn === atMs + HOUR_MS;
	move(5000);
	await taken.moveToCompleted('r', 'mine', false);
	const end = (await queue.getJob('1'))!;
	return [before, nearly, taken.id, started, end.processedOn === atMs + HOUR_MS, end.finishedOn === atMs + HOUR_MS + 5000];
});

cases('clocks', {
	'delays pass by a clock that is behind': { is: [[null, 'delayed'], null, '1', true, true, true], run: delays(Date.UTC(2017, 1, 7, 9, 24)) },
	'and by one that is ahead': { is: [[null, 'delayed'], null, '1', true, true, true], run: delays(Date.UTC(2035, 1, 7, 9, 24)) },
	'retries too': {
		is: ['delayed', null, '1', 1],
		run: (world) => underAClock(Date.UTC(2017, 1, 7), async (move) => {
			const queue = world.queue();
			await queue.add('a', 1, { attempts: 2, backoff: { type: 'fixed', delay: HOUR_MS } });
			const job = await takeOne(world);
			await job.moveToFailed(new Error('no'), 'mine');
			const state = await job.getState(), early = await next(world);
			move(HOUR_MS);
			const again = await takeOne(world);
			return [state, early, again.id, again.attemptsMade];
		}),
	},
	'what was delayed before the clock was faked': {
		is: [null, '1', '2'],
		run: async (world) => {
			const queue = world.queue();
			await queue.add('near', 1, { delay: HOUR_MS / 2 });
			await queue.add('far', 1, { delay: 3 * HOUR_MS });
			return underAClock(Date.now(), async (move) => {
				move(HOUR_MS / 4);
				const early = await next(world);
				move(HOUR_MS / 2);
				const near = await takeOne(world);
				move(3 * HOUR_MS);
				return [early, near.id, (await takeOne(world)).id];
			});
		},
	},
	'a worker takes what has become due': {
		is: ['completed'],
		run: (world) => underAClock(Date.UTC(2017, 1, 7), async (move) => {
			const queue = world.queue();
			await queue.add('a', 1, { delay: HOUR_MS });
			move(HOUR_MS);
			const worker = world.worker(async () => 1);
			await heard(worker, 'completed');
			return [await queue.getJobState('1')];
		}),
	},
	'schedulers go by it': {
		is: ['repeat:s:1483781040000', 'repeat:s:1483784640000', 1_483_784_640_000],
		run: (world) => underAClock(Date.UTC(2017, 0, 7, 9, 24), async (move) => {
			const queue = world.queue();
			const first = await queue.upsertJobScheduler('s', { every: HOUR_MS }, { name: 'a' });
			move(10);
			const taken = await takeOne(world);
			const [following] = await queue.getDelayed();
			const [scheduler] = await queue.getJobSchedulers();
			await taken.moveToCompleted('r', 'mine', false);
			return [first!.id, following?.id, scheduler?.next];
		}),
	},
	'cleaning goes by it': {
		is: [[], ['1']],
		run: (world) => underAClock(Date.UTC(2017, 1, 7), async (move) => {
			const queue = world.queue();
			await queue.add('a', 1);
			await (await takeOne(world)).moveToCompleted('r', 'mine', false);
			move(HOUR_MS);
			return [await queue.clean(2 * HOUR_MS, 10, 'completed'), await queue.clean(HOUR_MS / 2, 10, 'completed')];
		}),
	},
});
