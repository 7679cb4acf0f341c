// Locks, and jobs whose worker is silent.
import type { Job } from 'bullmq';
import { cases, heard, refusal, takeOne, until } from './world.js';

const LOST = { lockDuration: 40 }, CHECKS = { stalledInterval: 60 }; // of who takes and is silent, and of who looks
const rest = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

cases('locks and stalls', {
	'a job whose worker is silent is run by another': {
		is: [['1', 'active'], '1', 'completed', 1, 1, 2, null],
		async run(world) {
			const queue = world.queue(), events = await world.events({ lastEventId: '0' });
			const told = heard(events, 'stalled');
			await queue.add('a', 1);
			await takeOne(world, 'gone', LOST);
			const worker = world.worker(async () => 'r', CHECKS);
			const [stalled] = await Promise.all([heard(worker, 'stalled'), heard(worker, 'completed')]);
			const job = (await queue.getJob('1'))!;
			const { jobId } = (await told)[0]![0] as { jobId: string };
			return [stalled[0], jobId, await job.getState(), job.stalledCounter, job.attemptsMade, job.attemptsStarted, job.failedReason ?? null];
		},
	},
	'one that stalls too often fails, and is not run': {
		is: [['job stalled more than allowable limit', '1'], 'failed', 'job stalled more than allowable limit', 1, 1, 0],
		async run(world) {
			const queue = world.queue();
			await queue.add('a', 1, { attempts: 5 });
			await takeOne(world, 'gone', LOST);
			let runs = 0;
			const worker = world.worker(async () => runs++, { ...CHECKS, maxStalledCount: 0 });
			const [job, error] = (await heard(worker, 'failed'))[0] as [Job, Error];
			const after = (await queue.getJob('1'))!;
			return [[error.message, job.id], await after.getState(), after.failedReason, after.stalledCounter, after.attemptsMade, runs];
		},
	},
	'the reason is told before it fails': {
		is: ['waiting', 'job stalled more than allowable limit', null],
		async run(world) {
			const queue = world.queue();
			const job = await queue.add('a', 1);
			await takeOne(world, 'gone', LOST);
			const worker = world.worker(null, { ...CHECKS, maxStalledCount: 0, autorun: false });
			const stalled = heard(worker, 'stalled');
			await worker.startStalledCheckTimer();
			await stalled;
			const waiting = (await queue.getJob('1'))!;
			const other = await takeOne(world, 'other', { skipStalledCheck: true });
			return [await job.getState() === 'active' ? 'waiting' : 'lost', waiting.deferredFailure, other.failedReason ?? null];
		},
	},
	'a lock that is renewed is kept': {
		is: [0, 'completed', 0],
		async run(world) {
			const queue = world.queue();
			const worker = world.worker(() => rest(3_300), { lockDuration: 3_000, lockRenewTime: 100, stalledInterval: 50 });
			let stalls = 0;
			worker.on('stalled', () => stalls++);
			const done = heard(worker, 'completed');
			await queue.add('a', 1);
			await done;
			const job = (await queue.getJob('1'))!;
			return [stalls, await job.getState(), job.stalledCounter];
		},
	},
	'one that stalled goes before those that wait': {
		is: ['1', '2'],
		async run(world) {
			const queue = world.queue();
			await queue.addBulk([1, 2].map((n) => ({ name: 'a', data: n })));
			await takeOne(world, 'gone', LOST);
			const checker = world.worker(null, { ...CHECKS, autorun: false });
			const stalled = heard(checker, 'stalled');
			await checker.startStalledCheckTimer();
			await stalled;
			return [(await takeOne(world, 'a')).id, (await takeOne(world, 'b')).id];
		},
	},
	'a lock that is over is lost': {
		is: [
			{ message: 'Missing lock for job 1. moveToFinished', code: -2 }, { message: 'Missing lock for job 1. moveToFinished', code: -2 }, 0,
			'active', 'completed',
		],
		async run(world) {
			const queue = world.queue();
			await queue.add('a', 1);
			const job = await takeOne(world, 'mine', LOST);
			await rest(80);
			const lost = [await refusal(job.moveToCompleted(1, 'mine', false)), await refusal(job.moveToCompleted(1, 'foreign', false)),
				await job.extendLock('mine', 1000)];
			const state = await job.getState();
			await job.moveToCompleted(1, '0', false);
			return [...lost, state, await job.getState()];
		},
	},
	'and another may hold it then': {
		is: [{ message: 'Lock mismatch for job 1. Cmd moveToFinished from active', code: -6 }, 'active'],
		async run(world) {
			const queue = world.queue();
			await queue.add('a', 1);
			const job = await takeOne(world, 'mine', LOST);
			const checker = world.worker(null, { ...CHECKS, autorun: false });
			const stalled = heard(checker, 'stalled');
			await checker.startStalledCheckTimer();
			await stalled;
			await takeOne(world, 'theirs');
			return [await refusal(job.moveToCompleted(1, 'mine', false)), await job.getState()];
		},
	},
	'locks are extended': {
		is: [1, 'active', 'completed'],
		async run(world) {
			const queue = world.queue();
			await queue.add('a', 1);
			const job = await takeOne(world, 'mine', { lockDuration: 3_000 });
			const extended = await job.extendLock('mine', 600_000);
			await rest(3_050); // it would be over
			const state = await job.getState();
			await job.moveToCompleted(1, 'mine', false);
			return [extended, state, await job.getState()];
		},
	},
	'a worker hears that it has lost its lock': {
		is: [['1'], false],
		async run(world) {
			const queue = world.queue();
			let go = (): void => undefined;
			const may = new Promise<void>((resolve) => {
				go = resolve;
			});
			const worker = world.worker(async () => may, { lockDuration: 60_000, lockRenewTime: 40 });
			const active = heard(worker, 'active'), lost = heard(worker, 'lockRenewalFailed');
			const job = await queue.add('a', 1);
			await active;
			await queue.obliterate({ force: true });
			const ids = (await lost)[0]![0];
			go();
			return [ids, (await job.getState()) === 'completed'];
		},
	},
	'the check itself is no error': {
		is: [0, 'completed'],
		async run(world) {
			const queue = world.queue();
			const errors: Error[] = [];
			const worker = world.worker(async () => 1, { stalledInterval: 20 });
			worker.on('error', (error) => errors.push(error));
			await rest(120);
			const done = heard(worker, 'completed');
			await queue.add('a', 1);
			await done;
			await until(async () => (await queue.getCompletedCount()) === 1);
			return [errors.length, await queue.getJobState('1')];
		},
	},
	'obliterating leaves those who wait for jobs waiting': {
		is: [false, '1', 'completed', 0],
		async run(world) {
			const queue = world.queue();
			const worker = world.worker(async () => 1);
			await worker.waitUntilReady();
			await queue.add('a', 1, { delay: 60_000 });
			await queue.setGlobalConcurrency(5);
			await queue.obliterate();
			const paused = await queue.isPaused();
			const done = heard(worker, 'completed');
			const job = await queue.add('a', 1);
			await done;
			return [paused, job.id, await job.getState(), (await queue.getGlobalConcurrency()) ?? 0];
		},
	},
});
