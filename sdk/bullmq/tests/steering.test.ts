// What a person does to a queue and its jobs: pause, promote, retry, change, remove, drain, clean, obliterate.
import type { Job } from 'bullmq';
import { cases, heard, ids, refusal, takeOne } from './world.js';

const BAD = async (): Promise<never> => {
	throw new Error('no');
};

cases('steering', {
	'a paused queue gives nothing out, its jobs wait': {
		is: [true, 'waiting', 1, null, false, 'completed'],
		async run(world) {
			const queue = world.queue();
			await queue.pause();
			const job = await queue.add('a', 1);
			const paused = await queue.isPaused(), state = await job.getState(), waiting = await queue.getWaitingCount();
			const none = await world.worker(null, { autorun: false }).getNextJob('t', { block: false });
			const worker = world.worker(async () => 1);
			const done = heard(worker, 'completed');
			await queue.resume();
			await done;
			return [paused, state, waiting, none ?? null, await queue.isPaused(), await job.getState()];
		},
	},
	'a queue that nobody made is paused': {
		is: [true, false],
		async run(world) {
			const queue = world.queue('fresh', { skipMetasUpdate: true });
			await queue.pause();
			const paused = await queue.isPaused();
			await queue.resume();
			return [paused, await queue.isPaused()];
		},
	},
	'promoting': {
		is: [
			'waiting', 0, 'prioritized', { message: 'Job 1 is not in the delayed state. promote', code: -3 },
			{ message: 'Job gone is not in the delayed state. promote', code: -3 },
		],
		async run(world) {
			const queue = world.queue();
			const a = await queue.add('a', 1, { delay: 60_000 }), b = await queue.add('b', 1, { delay: 60_000, priority: 4 });
			const gone = await queue.add('c', 1, { delay: 60_000, jobId: 'gone' });
			await gone.remove();
			await a.promote();
			await b.promote();
			return [await a.getState(), (await queue.getJob('1'))!.delay, await b.getState(), await refusal(a.promote()), await refusal(gone.promote())];
		},
	},
	'promoting all': {
		is: [0, ['d1', 'd2', 'd3']],
		async run(world) {
			const queue = world.queue();
			await queue.addBulk([3, 1, 2].map((n) => ({ name: 'a', data: 1, opts: { jobId: `d${n}`, delay: 60_000 + n * 1000 } })));
			await queue.promoteJobs({ count: 2 });
			return [await queue.getDelayedCount(), ids(await queue.getWaiting()).sort()];
		},
	},
	'retrying by hand': {
		is: ['waiting', null, null, 1, ['completed', 2], { message: 'Job 1 is not in the failed state. reprocessJob', code: -3 }, { message: 'Missing key for job gone. reprocessJob', code: -1 }],
		async run(world) {
			const queue = world.queue();
			const worker = world.worker(async (job: Job) => {
				if (job.data === 1 && job.attemptsMade === 0)
					throw new Error('no');
			});
			const failed = heard(worker, 'failed');
			const job = await queue.add('a', 1);
			await failed;
			await queue.pause();
			const done = heard(worker, 'completed');
			await (await queue.getJob(job.id!))!.retry();
			const again = (await queue.getJob(job.id!))!;
			const state = await again.getState();
			await queue.resume();
			await done;
			const gone = await queue.add('g', 2, { jobId: 'gone', delay: 60_000 });
			await gone.remove();
			const end = (await queue.getJob(job.id!))!;
			return [state, again.failedReason ?? null, again.finishedOn ?? null, again.attemptsMade, [await end.getState(), end.attemptsMade],
				await refusal(job.retry()), await refusal(gone.retry())];
		},
	},
	'retrying with attempts from zero, and completed ones': {
		is: [0, 0, 'waiting', 1],
		async run(world) {
			const queue = world.queue();
			const worker = world.worker(async (job: Job) => {
				if (job.name === 'bad')
					throw new Error('no');
			});
			const ends = Promise.all([heard(worker, 'failed'), heard(worker, 'completed')]);
			const [bad, good] = await queue.addBulk([{ name: 'bad', data: 1 }, { name: 'good', data: 1 }]);
			await ends;
			await worker.close();
			await bad!.retry('failed', { resetAttemptsMade: true, resetAttemptsStarted: true });
			await good!.retry('completed');
			const again = (await queue.getJob(bad!.id!))!;
			return [again.attemptsMade, again.attemptsStarted, await good!.getState(), (await queue.getJob(good!.id!))!.attemptsMade];
		},
	},
	'retrying all': {
		is: [3, 0, 3],
		async run(world) {
			const queue = world.queue();
			const worker = world.worker(BAD);
			const failed = heard(worker, 'failed', 3);
			await queue.addBulk([1, 2, 3].map((n) => ({ name: 'a', data: n })));
			await failed;
			await worker.close();
			const before = await queue.getFailedCount();
			await queue.retryJobs({ count: 2 });
			return [before, await queue.getFailedCount(), await queue.getWaitingCount()];
		},
	},
	'changing the delay': {
		is: [true, 5000, { message: 'Job 2 is not in the delayed state. changeDelay', code: -3 }, { message: 'Missing key for job gone. changeDelay', code: -1 }],
		async run(world) {
			const queue = world.queue();
			const job = await queue.add('a', 1, { delay: 60_000 }), waiting = await queue.add('a', 1), gone = await queue.add('a', 1, { jobId: 'gone', delay: 1 });
			await gone.remove();
			await job.changeDelay(5000);
			const { delay } = (await queue.getJob('1'))!;
			return [delay > 4000 && delay <= 5000, job.delay, await refusal(waiting.changeDelay(1)), await refusal(gone.changeDelay(1))];
		},
	},
	'changing the priority': {
		is: [['2', '1', '3'], ['prioritized', 'prioritized', 'waiting'], { message: 'Missing key for job gone. changePriority', code: -1 }],
		async run(world) {
			const queue = world.queue();
			const [a, b] = await queue.addBulk([1, 2, 3].map((n) => ({ name: 'a', data: n, opts: n === 3 ? { priority: 1 } : {} })));
			const gone = await queue.add('a', 1, { jobId: 'gone' });
			await gone.remove();
			await a!.changePriority({ priority: 7 });
			await b!.changePriority({ priority: 7, lifo: true });
			await (await queue.getJob('3'))!.changePriority({ priority: 0 });
			const states = await Promise.all(['1', '2', '3'].map((id) => queue.getJobState(id)));
			return [[...ids(await queue.getPrioritized()), ...ids(await queue.getWaiting())], states, await refusal(gone.changePriority({ priority: 1 }))];
		},
	},
	'removing': {
		is: [1, 'unknown', 1, 0, { message: 'Job 2 could not be removed because it is locked by another worker' }, 'active'],
		async run(world) {
			const queue = world.queue();
			await queue.add('a', 1);
			const removed = await queue.remove('1'), state = await queue.getJobState('1'), never = await queue.remove('77');
			await queue.add('a', 1);
			const job = await takeOne(world);
			return [removed, state, never, await queue.remove('2'), await refusal(job.remove()), await queue.getJobState('2')];
		},
	},
	'draining': {
		is: [[0, 0, 1, 1], [0, 0, 1, 0]],
		async run(world) {
			const queue = world.queue();
			await queue.addBulk([{}, {}, { priority: 1 }, { delay: 60_000 }, {}].map((opts) => ({ name: 'a', data: 1, opts })));
			await takeOne(world);
			const counts = async (): Promise<number[]> => Object.values(await queue.getJobCounts('waiting', 'prioritized', 'active', 'delayed'));
			await queue.drain();
			const first = await counts();
			await queue.drain(true);
			return [first, await counts()];
		},
	},
});
