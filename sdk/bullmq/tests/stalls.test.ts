// Locks, and jobs whose worker is silent.
import type { Job, WorkerOptions } from 'bullmq';
import { cases, heard, refusal, takeOne, until, type World } from './world.js';

const LOST = { lockDuration: 40 }, CHECKS = { stalledInterval: 60 }; // of who takes and is silent, and of who looks
/** Looks for silent workers so many times, as a worker with this interval does; answers how many jobs it has put back. */
async function look(world: World, times: number, opts: Partial<WorkerOptions> = CHECKS): Promise<number> {
	const worker = world.worker(null, { autorun: false, ...opts });
	let stalled = 0;
	worker.on('stalled', () => stalled++);
	await worker.waitUntilReady();
	for (let i = 0; i < times && !stalled; i++) {
		if (i)
			await rest((opts.stalledInterval ?? 0) + 20);
		await (worker as unknown as { moveStalledJobsToWait(): Promise<void> }).moveStalledJobsToWait();
	}
	return stalled;
}

const rest = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

cases('locks and stalls', {
	'a job whose worker is silent is run by another': {
		is: [['1', 'active'], '1', 'completed', 1, 1, 2, null],
		async run(world) {
			const queue = world.queue(), events = await world.events();
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
			const worker = world.worker(() => rest(1300), { lockDuration: 1000, lockRenewTime: 100, stalledInterval: 50 });
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
	'who looks more often sees more, whoever looked last': {
		is: 1,
		onRedis: { is: 0, because: 'the interval of who looked last counts there' },
		async run(world) {
			const queue = world.queue();
			await queue.add('a', 1);
			await takeOne(world, 'gone', LOST);
			await look(world, 1, { stalledInterval: 3_600_000 });
			await rest(LOST.lockDuration);
			return look(world, 8);
		},
	},
	'one look puts back a thousand jobs, the next one more': {
		is: 1_000,
		onRedis: { is: 1_001, because: 'the daemon goes on serving in between' },
		async run(world) {
			const queue = world.queue();
			await queue.addBulk(Array.from({ length: 1_001 }, (_, i) => ({ name: 'a', data: i })));
			const worker = world.worker(null, { autorun: false, ...LOST });
			await Promise.all(Array.from({ length: 1_001 }, (_, i) => worker.getNextJob(`gone ${i}`, { block: false })));
			await until(async () => await queue.getActiveCount() === 1_001);
			await rest(LOST.lockDuration);
			return look(world, 8);
		},
	},
	'the token 0': {
		is: [0, 'active'],
		onRedis: { is: [1, 'waiting'], because: 'it has no lock there; here its lease says how long' },
		async run(world) {
			const queue = world.queue();
			await queue.add('a', 1);
			const job = await takeOne(world, '0', { lockDuration: 3_600_000 });
			return [await look(world, 8), await job.getState()];
		},
	},
	'one with a priority goes before its equals': {
		is: ['plain', 'stalled', 'equal'],
		onRedis: { is: ['stalled', 'plain', 'equal'], because: 'priorities hold' },
		async run(world) {
			const queue = world.queue();
			await queue.add('stalled', 1, { priority: 5 });
			await takeOne(world, 'gone', LOST);
			await queue.add('equal', 1, { priority: 5 });
			await queue.add('plain', 1);
			await look(world, 8);
			const names: string[] = [];
			for (const token of ['a', 'b', 'c'])
				names.push((await takeOne(world, token)).name);
			return names;
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
			const job = await takeOne(world, 'mine', { lockDuration: 600 });
			const extended = await job.extendLock('mine', 60_000);
			await rest(650);
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
