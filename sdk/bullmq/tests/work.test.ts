// Working: attempts, retries, delays, locks, what an end keeps.
import { DelayedError, UnrecoverableError, WaitingError, type Job } from 'bullmq';
import { cases, heard, ids, refusal, takeOne, until } from './world.js';

cases('working', {
	'a result, and what the job says afterwards': {
		is: ['completed', { sum: 3 }, 1, 1, 0, true, true, 'unit'],
		async run(world) {
			const queue = world.queue();
			const worker = world.worker(async (job: Job<number[]>) => ({ sum: job.data.reduce((a, b) => a + b) }), { name: 'unit' });
			const done = heard(worker, 'completed');
			await queue.add('add', [1, 2]);
			await done;
			const job = (await queue.getJob('1'))!;
			return [await job.getState(), job.returnvalue, job.attemptsMade, job.attemptsStarted, job.stacktrace!.length, job.finishedOn! >= job.processedOn!,
				job.processedOn! >= job.timestamp, job.processedBy];
		},
	},
	'no result is null': {
		is: [null, null],
		async run(world) {
			const queue = world.queue();
			const worker = world.worker(async () => undefined);
			const done = heard(worker, 'completed');
			await queue.add('a', 1);
			await done;
			return [(await queue.getJob('1'))!.returnvalue, null];
		},
	},
	'retries at once, then fails for good': {
		is: [['1: no', '2: no', '3: no'], 'failed', 'no', 3, 3, 3],
		async run(world) {
			const queue = world.queue();
			const tries: string[] = [];
			const worker = world.worker(async (job: Job) => {
				tries.push(`${job.attemptsMade + 1}: no`);
				throw new Error('no');
			});
			const failed = heard(worker, 'failed', 3);
			await queue.add('a', 1, { attempts: 3 });
			await failed;
			const job = (await queue.getJob('1'))!;
			return [tries, await job.getState(), job.failedReason, job.attemptsMade, job.attemptsStarted, job.stacktrace!.length];
		},
	},
	'waits between retries as its back-off says': {
		is: ['1', true, 'completed', 2],
		async run(world) {
			const queue = world.queue(), events = await world.events({ lastEventId: '0' });
			const delayed = heard(events, 'delayed');
			let begun = 0, again = 0;
			const worker = world.worker(async (job: Job) => {
				if (job.attemptsMade === 0) {
					begun = Date.now();
					throw new Error('once');
				}
				again = Date.now();
			});
			const done = heard(worker, 'completed');
			await queue.add('a', 1, { attempts: 2, backoff: { type: 'fixed', delay: 150 } });
			await done;
			const { jobId } = (await delayed)[0]![0] as { jobId: string };
			const job = (await queue.getJob('1'))!;
			return [jobId, again - begun >= 150, await job.getState(), job.attemptsMade];
		},
	},
	'a back-off of the program itself, and the end that it says': {
		is: [['1 mine', '2 mine'], 'failed', 2],
		async run(world) {
			const queue = world.queue();
			const asked: string[] = [];
			const worker = world.worker(async () => {
				throw new Error('mine');
			}, { settings: { backoffStrategy: (made, _type, error) => asked.push(`${made} ${error!.message}`) === 1 ? 5 : -1 } });
			const failed = heard(worker, 'failed', 2);
			await queue.add('a', 1, { attempts: 9, backoff: { type: 'own' } });
			await failed;
			const job = (await queue.getJob('1'))!;
			return [asked, await job.getState(), job.attemptsMade];
		},
	},
	'an unrecoverable error is the last': {
		is: ['failed', 1, 'never'],
		async run(world) {
			const queue = world.queue();
			const worker = world.worker(async () => {
				throw new UnrecoverableError('never');
			});
			const failed = heard(worker, 'failed');
			await queue.add('a', 1, { attempts: 5 });
			await failed;
			const job = (await queue.getJob('1'))!;
			return [await job.getState(), job.attemptsMade, job.failedReason];
		},
	},
	'stacks are kept as many as asked for': {
		is: [2, 0, 3],
		async run(world) {
			const queue = world.queue();
			const worker = world.worker(async (job: Job) => {
				throw new Error(`no ${job.attemptsMade}`);
			});
			const failed = heard(worker, 'failed', 9);
			await queue.addBulk([2, 0, undefined].map((stackTraceLimit) => ({ name: 'a', data: 1, opts: { attempts: 3, ...(stackTraceLimit === undefined ? {} : { stackTraceLimit }) } })));
			await failed;
			return Promise.all(['1', '2', '3'].map(async (id) => (await queue.getJob(id))!.stacktrace!.length));
		},
	},
	'delayed jobs run when they are due, and not before': {
		is: [['soon', 'late'], true],
		async run(world) {
			const queue = world.queue();
			const begun = Date.now();
			const worker = world.worker(async (job: Job) => job.name);
			const done = heard(worker, 'completed', 2);
			await queue.addBulk([['late', 300], ['soon', 100]].map(([name, delay]) => ({ name: name as string, data: 1, opts: { delay: delay as number } })));
			const all = await done;
			return [all.map((args) => args[1]), Date.now() - begun >= 300];
		},
	},
	'concurrency': {
		is: 4,
		async run(world) {
			const queue = world.queue();
			let running = 0, most = 0;
			const worker = world.worker(async () => {
				most = Math.max(most, ++running);
				await until(() => most === 4);
				running--;
			}, { concurrency: 4 });
			const done = heard(worker, 'completed', 12);
			await queue.addBulk(Array.from({ length: 12 }, () => ({ name: 'a', data: 1 })));
			await done;
			return most;
		},
	},
	'progress and data are changed while it runs': {
		is: [{ step: 2 }, { half: true }, 'completed'],
		async run(world) {
			const queue = world.queue();
			const worker = world.worker(async (job: Job) => {
				await job.updateProgress({ half: true });
				await job.updateData({ step: 2 });
			});
			const done = heard(worker, 'completed');
			await queue.add('a', { step: 1 });
			await done;
			const job = (await queue.getJob('1'))!;
			return [job.data, job.progress, await job.getState()];
		},
	},
	'back to delayed, back to waiting by itself: no attempt is counted': {
		is: [['delay', 'wait', 'done'], 1, 3],
		async run(world) {
			const queue = world.queue();
			const steps: string[] = [];
			const worker = world.worker(async (job: Job, token?: string) => {
				const step = (job.data as { step?: string }).step ?? 'delay';
				steps.push(step);
				if (step === 'delay') {
					await job.updateData({ step: 'wait' });
					await job.moveToDelayed(Date.now() + 50, token);
					throw new DelayedError();
				}
				if (step === 'wait') {
					await job.updateData({ step: 'done' });
					await job.moveToWait(token);
					throw new WaitingError();
				}
			});
			const done = heard(worker, 'completed');
			await queue.add('a', {});
			await done;
			const job = (await queue.getJob('1'))!;
			return [steps, job.attemptsMade, job.attemptsStarted];
		},
	},
	'finished jobs go as their options say': {
		is: [['4', '5'], ['7'], 0],
		async run(world) {
			const queue = world.queue();
			const worker = world.worker(async (job: Job) => {
				if (job.name === 'bad')
					throw new Error('no');
			});
			const ends = Promise.all([heard(worker, 'completed', 6), heard(worker, 'failed', 2)]);
			await queue.addBulk([1, 2, 3, 4, 5].map(() => ({ name: 'good', data: 1, opts: { removeOnComplete: 2 } })));
			await queue.addBulk([6, 7].map(() => ({ name: 'bad', data: 1, opts: { removeOnFail: { count: 1 } } })));
			await queue.add('good', 1, { removeOnComplete: true });
			await ends;
			return [ids(await queue.getCompleted()).sort(), ids(await queue.getFailed()), (await queue.getJob('8')) ? 1 : 0];
		},
	},
	'the worker\'s own rule of what is kept': {
		is: [1, 0],
		async run(world) {
			const queue = world.queue();
			const worker = world.worker(async () => 1, { removeOnComplete: { count: 1 } });
			const done = heard(worker, 'completed', 3);
			await queue.addBulk([1, 2, 3].map(() => ({ name: 'a', data: 1 })));
			await done;
			return [await queue.getCompletedCount(), await queue.getFailedCount()];
		},
	},
	'a lock: who holds it, who does not': {
		is: [
			{ message: 'Lock mismatch for job 1. Cmd moveToFinished from active', code: -6 }, 1, 0, 'active',
			{ message: 'Missing lock for job 1. moveToFinished', code: -2 },
		],
		async run(world) {
			const queue = world.queue();
			await queue.add('a', 1);
			const job = await takeOne(world);
			const wrong = await refusal(job.moveToCompleted(1, 'other', false));
			const kept = await job.extendLock('mine', 5000), lost = await job.extendLock('other', 5000);
			const state = await job.getState();
			await job.moveToCompleted(1, 'mine', false);
			return [wrong, kept, lost, state, await refusal(job.moveToCompleted(1, 'mine', false))];
		},
	},
	'an end fetches the next job': {
		is: ['2', 'active', 'completed', 2],
		async run(world) {
			const queue = world.queue();
			await queue.addBulk([1, 2].map((n) => ({ name: 'a', data: n })));
			const job = await takeOne(world);
			const next = await job.moveToCompleted('r', 'mine', true) as [{ data: string }, string];
			return [next[1], await queue.getJobState('2'), await queue.getJobState('1'), JSON.parse(next[0].data)];
		},
	},
	'a worker that closes ends what it runs': {
		is: ['completed', 'waiting'],
		async run(world) {
			const queue = world.queue();
			let started = (): void => undefined, go = (): void => undefined;
			const began = new Promise<void>((resolve) => {
				started = resolve;
			}), may = new Promise<void>((resolve) => {
				go = resolve;
			});
			const worker = world.worker(async () => {
				started();
				await may;
			});
			await queue.addBulk([1, 2].map((n) => ({ name: 'a', data: n })));
			await began;
			const closed = worker.close();
			go();
			await closed;
			return Promise.all([queue.getJobState('1'), queue.getJobState('2')]);
		},
	},
	'a paused worker takes nothing, a resumed one goes on': {
		is: ['waiting', 'completed'],
		async run(world) {
			const queue = world.queue();
			const worker = world.worker(async () => 1);
			await worker.waitUntilReady();
			await worker.pause();
			await queue.add('a', 1);
			const before = await queue.getJobState('1');
			const done = heard(worker, 'completed');
			await worker.resume();
			await done;
			return [before, await queue.getJobState('1')];
		},
	},
	'cancelled in its own process': {
		is: ['enough', 'failed'],
		async run(world) {
			const queue = world.queue();
			let started = (): void => undefined;
			const active = new Promise<void>((resolve) => {
				started = resolve;
			});
			const worker = world.worker(async (_job: Job, _token: string | undefined, signal?: AbortSignal) => {
				started();
				await new Promise<void>((_, reject) => signal!.addEventListener('abort', () => reject(new UnrecoverableError(String(signal!.reason)))));
			});
			const failed = heard(worker, 'failed');
			await queue.add('a', 1);
			await active;
			worker.cancelJob('1', 'enough');
			await failed;
			const job = (await queue.getJob('1'))!;
			return [job.failedReason, await job.getState()];
		},
	},
	'global concurrency': {
		is: [true, 1, null],
		async run(world) {
			const queue = world.queue();
			await queue.setGlobalConcurrency(1);
			await queue.addBulk([1, 2].map((n) => ({ name: 'a', data: n })));
			const worker = world.worker(null, { autorun: false });
			const job = await worker.getNextJob('t', { block: false });
			const second = await worker.getNextJob('t2', { block: false });
			const maxed = await queue.isMaxed(), most = await queue.getGlobalConcurrency();
			await job!.moveToCompleted(1, 't', false);
			return [maxed, most, second ?? null];
		},
	},
});
