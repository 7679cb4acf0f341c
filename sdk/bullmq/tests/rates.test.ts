// Rates: a worker's limiter, the queue's own, and pauses that a program asks for.
import { RateLimitError, Worker, type Job } from 'bullmq';
import { cases, heard, takeOne, until, type World } from './world.js';

const next = async (world: World, limiter?: { max: number; duration: number }): Promise<string | null> =>
	(await world.worker(null, { autorun: false, ...(limiter ? { limiter } : {}) }).getNextJob(`t${Math.random()}`, { block: false }))?.id ?? null;

cases('rates', {
	"a worker's limiter": {
		is: [5, true, true],
		async run(world) {
			const queue = world.queue();
			const worker = world.worker(async () => 1, { limiter: { max: 2, duration: 200 }, concurrency: 5 });
			const done = heard(worker, 'completed', 5);
			await queue.addBulk([1, 2, 3, 4, 5].map((n) => ({ name: 'a', data: n })));
			await done;
			const at = (await queue.getCompleted()).map((job) => job.processedOn!).sort((a, b) => a - b);
			return [at.length, at[2]! - at[0]! >= 190, at[4]! - at[2]! >= 190];
		},
	},
	'how long it lasts': {
		is: [-2, ['1', '2', null], [true, true, 0], true],
		async run(world) {
			const queue = world.queue(), limiter = { max: 2, duration: 60_000 };
			await queue.addBulk([1, 2, 3].map((n) => ({ name: 'a', data: n })));
			const before = await queue.getRateLimitTtl();
			const taken = [await next(world, limiter), await next(world, limiter), await next(world, limiter)];
			const long = (ttl: number): boolean => ttl > 50_000 && ttl <= 60_000;
			const after = [long(await queue.getRateLimitTtl()), long(await queue.getRateLimitTtl(2)), await queue.getRateLimitTtl(3)];
			return [before, taken, after, (await next(world)) === '3'];
		},
	},
	'a program that was asked to wait': {
		is: [true, 1, 2, ['1 0', '1 0']],
		async run(world) {
			const queue = world.queue();
			const runs: string[] = [], at: number[] = [];
			const worker: Worker = world.worker(async (job: Job) => {
				runs.push(`${job.id} ${job.attemptsMade}`);
				at.push(Date.now());
				if (at.length > 1)
					return;
				await queue.rateLimit(150);
				throw new RateLimitError();
			}, { limiter: { max: 10, duration: 1000 } });
			const done = heard(worker, 'completed');
			await queue.add('a', 1);
			await done;
			const job = (await queue.getJob('1'))!;
			return [at[1]! - at[0]! >= 140, job.attemptsMade, job.attemptsStarted, runs];
		},
	},
	'and waits no longer': {
		is: [null, true, 1, 0, -2, '1'],
		async run(world) {
			const queue = world.queue(), limiter = { max: 10, duration: 1000 };
			await queue.add('a', 1);
			await queue.rateLimit(60_000);
			const none = await next(world, limiter), ttl = await queue.getRateLimitTtl();
			const removed = await queue.removeRateLimitKey(), again = await queue.removeRateLimitKey();
			return [none, ttl > 50_000, removed, again, await queue.getRateLimitTtl(), await next(world, limiter)];
		},
	},
	'a pause holds only where a rate is known': {
		is: ['1', null],
		async run(world) {
			const queue = world.queue();
			await queue.addBulk([1, 2].map((n) => ({ name: 'a', data: n })));
			await queue.rateLimit(60_000);
			return [await next(world), await next(world, { max: 5, duration: 1000 })];
		},
	},
	'the last pause counts': {
		is: [true, true],
		async run(world) {
			const queue = world.queue();
			await queue.rateLimit(60_000);
			const long = await queue.getRateLimitTtl();
			await queue.rateLimit(5_000);
			return [long > 50_000, (await queue.getRateLimitTtl()) <= 5_000];
		},
	},
	"the queue's own rate goes before": {
		is: [['1', null, null], { max: 1, duration: 60_000 }, null, ['2', null], true],
		async run(world) {
			const queue = world.queue();
			await queue.addBulk([1, 2, 3].map((n) => ({ name: 'a', data: n })));
			await queue.setGlobalRateLimit(1, 60_000);
			const taken = [await next(world), await next(world), await next(world, { max: 99, duration: 60_000 })];
			const rate = await queue.getGlobalRateLimit();
			await queue.removeGlobalRateLimit();
			const none = await queue.getGlobalRateLimit();
			return [taken, rate, none, [await next(world), await next(world, { max: 1, duration: 60_000 })], (await queue.getRateLimitTtl()) > 0];
		},
	},
	'a job that is handed back tells how long': {
		is: [true, 'waiting', 1],
		async run(world) {
			const queue = world.queue();
			await queue.add('a', 1);
			const job = await takeOne(world, 'mine', { limiter: { max: 1, duration: 60_000 } });
			const ttl = await job.moveToWait('mine');
			return [Number(ttl) > 50_000, await job.getState(), (await queue.getJob('1'))!.attemptsStarted];
		},
	},
	'who has failed takes nothing from it': {
		is: ['1', true, '2', null],
		onOldRedis: { is: ['1', true, null, null], because: 'it took from the rate' },
		async run(world) {
			const queue = world.queue(), limiter = { max: 1, duration: 60_000 };
			await queue.addBulk([1, 2, 3].map((n) => ({ name: 'a', data: n })));
			await takeOne(world, 'gone', { lockDuration: 40 });
			const checker = world.worker(null, { autorun: false, stalledInterval: 60, maxStalledCount: 0 });
			const stalled = heard(checker, 'stalled');
			await checker.startStalledCheckTimer();
			await stalled;
			await checker.close();
			const failed = await takeOne(world, 'f', { limiter });
			return [failed.id, Boolean(failed.deferredFailure), await next(world, limiter), await next(world, limiter)];
		},
	},
	'a worker that waits goes on when the window opens': {
		is: ['completed', 'completed'],
		async run(world) {
			const queue = world.queue();
			const worker = world.worker(async () => 1, { limiter: { max: 1, duration: 150 } });
			await worker.waitUntilReady();
			await queue.add('a', 1);
			await until(async () => (await queue.getCompletedCount()) === 1);
			await queue.add('a', 2);
			await until(async () => (await queue.getCompletedCount()) === 2);
			return Promise.all(['1', '2'].map((id) => queue.getJobState(id)));
		},
	},
});
