// Stopping work under way: signals to processors.
import { UnrecoverableError, type Job } from 'bullmq';
import { cases, heard, until } from './world.js';

/** Runs until it is stopped; `begun` counts those that do. */
let begun = 0;
function stopped(signal: AbortSignal, error: (reason: unknown) => Error = (reason) => new Error(String(reason))): Promise<never> {
	begun++;
	return new Promise((_, reject) => signal.addEventListener('abort', () => reject(error(signal.reason))));
}

async function running(count: number): Promise<void> {
	await until(() => begun === count);
	begun = 0;
}

cases('cancellation', {
	'all that a worker runs': {
		is: [['1 enough', '2 enough'], ['failed', 'failed']],
		async run(world) {
			const queue = world.queue();
			const worker = world.worker((_job: Job, _token?: string, signal?: AbortSignal) => stopped(signal!), { concurrency: 2 });
			const failed = heard(worker, 'failed', 2);
			await queue.addBulk([1, 2].map((n) => ({ name: 'a', data: n })));
			await running(2);
			worker.cancelAllJobs('enough');
			const ends = (await failed).map(([job, error]) => `${(job as Job).id} ${(error as Error).message}`).sort();
			return [ends, await Promise.all(['1', '2'].map((id) => queue.getJobState(id)))];
		},
	},
	'one that it does not run': {
		is: [false, 'waiting'],
		async run(world) {
			const queue = world.queue();
			const worker = world.worker(async () => 1, { autorun: false });
			await queue.add('a', 1);
			return [worker.cancelJob('1'), await queue.getJobState('1')];
		},
	},
	'it is tried again while it has attempts': {
		is: ['completed', 2, 'second'],
		async run(world) {
			const queue = world.queue();
			const worker = world.worker(async (job: Job, _token?: string, signal?: AbortSignal) => (job.attemptsMade ? 'second' : stopped(signal!)));
			const done = heard(worker, 'completed');
			await queue.add('a', 1, { attempts: 2 });
			await running(1);
			worker.cancelJob('1', 'once');
			await done;
			const job = (await queue.getJob('1'))!;
			return [await job.getState(), job.attemptsMade, job.returnvalue];
		},
	},
	'it gives up at once when it says so': {
		is: ['failed', 1, 'for good'],
		async run(world) {
			const queue = world.queue();
			const worker = world.worker((_job: Job, _token?: string, signal?: AbortSignal) => stopped(signal!, (reason) => new UnrecoverableError(String(reason))));
			const failed = heard(worker, 'failed');
			await queue.add('a', 1, { attempts: 9 });
			await running(1);
			worker.cancelJob('1', 'for good');
			await failed;
			const job = (await queue.getJob('1'))!;
			return [await job.getState(), job.attemptsMade, job.failedReason];
		},
	},
	'who does not listen goes on': {
		is: [true, 'completed', true],
		async run(world) {
			const queue = world.queue();
			let aborted = false, runs = false, go = (): void => undefined;
			const may = new Promise<void>((resolve) => {
				go = resolve;
			});
			const worker = world.worker(async (_job: Job, _token?: string, signal?: AbortSignal) => {
				runs = true;
				await may;
				aborted = signal!.aborted;
			});
			const done = heard(worker, 'completed');
			await queue.add('a', 1);
			await until(() => runs);
			const cancelled = worker.cancelJob('1');
			go();
			await done;
			await until(async () => (await queue.getCompletedCount()) === 1);
			return [cancelled, await queue.getJobState('1'), aborted];
		},
	},
});
