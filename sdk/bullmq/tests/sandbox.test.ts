// Processors in files of their own: in a child process, and in a thread.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { Job } from 'bullmq';
import { cases, heard, type Case } from './world.js';

const directory = mkdtempSync(join(tmpdir(), 'ruche-sandbox-'));
after(() => rmSync(directory, { recursive: true, force: true }));

function file(name: string, text: string): string {
	const path = join(directory, name);
	writeFileSync(path, text);
	return path;
}

const WORKS = file('works.cjs', `module.exports = async (job) => {
	await job.updateProgress({ half: true });
	await job.log('begun with ' + job.data.n);
	await job.updateData({ n: job.data.n + 1 });
	return { id: job.id, name: job.name, queue: job.queueName, made: job.attemptsMade };
};`);
const FAILS = file('fails.cjs', `module.exports = async (job) => {
	if (job.attemptsMade < 2)
		throw new TypeError('no ' + job.attemptsMade);
	return 'third';
};`);
const GIVES_UP = file('gives-up.cjs', `module.exports = async () => {
	throw Object.assign(new Error('never'), { name: 'UnrecoverableError' });
};`);
const STOPS = file('stops.cjs', `module.exports = async (job, token, signal) => {
	await new Promise((resolve, reject) => signal.addEventListener('abort', () => reject(new Error('stopped'))));
};`);
const MOVES = file('moves.cjs', `module.exports = async (job, token) => {
	const moved = (name) => Object.assign(new Error(name), { name });
	const { step } = job.data;
	await job.updateData({ step: step + 1 });
	if (step === 1) {
		await job.moveToDelayed(Date.now() + 20, token);
		throw moved('DelayedError');
	}
	if (step === 2) {
		await job.moveToWait(token);
		throw moved('WaitingError');
	}
	return [step, job.attemptsMade];
};`);
const AWAITS = file('awaits.cjs', `module.exports = async (job, token) => {
	if (!job.data.asked) {
		await job.updateData({ asked: true });
		if (await job.moveToWaitingChildren(token))
			throw Object.assign(new Error('waits'), { name: 'WaitingChildrenError' });
	}
	const { processed, ignored } = await job.getDependencies();
	return [Object.values(await job.getChildrenValues()), Object.values(await job.getIgnoredChildrenFailures()),
		Object.values(processed), Object.values(ignored), await job.getDependenciesCount()];
};`);
const DIES = file('dies.cjs', 'module.exports = async () => process.exit(3);');
const MODULE = file('module.mjs', 'export default async (job) => job.data * 2;');

function inBoth(name: string, run: (threads: boolean) => Case): Record<string, Case> {
	return { [`${name}, in a process`]: run(false), [`${name}, in a thread`]: run(true) };
}

cases('processors in files', {
	...inBoth('work, progress, a log line, new data', (useWorkerThreads) => ({
		is: ['completed', { id: '1', name: 'a', queue: 'q', made: 0 }, { half: true }, { n: 8 }, ['begun with 7']],
		async run(world) {
			const queue = world.queue();
			const worker = world.worker(WORKS, { useWorkerThreads });
			const done = heard(worker, 'completed');
			await queue.add('a', { n: 7 });
			await done;
			const job = (await queue.getJob('1'))!;
			return [await job.getState(), job.returnvalue, job.progress, job.data, (await queue.getJobLogs('1')).logs];
		},
	})),
	...inBoth('errors and attempts', (useWorkerThreads) => ({
		is: [['no 0', 'no 1'], 'completed', 'third', 3, true],
		async run(world) {
			const queue = world.queue();
			const worker = world.worker(FAILS, { useWorkerThreads });
			const failed = heard(worker, 'failed', 2), done = heard(worker, 'completed');
			await queue.add('a', 1, { attempts: 3 });
			await done;
			const job = (await queue.getJob('1'))!;
			const messages = (await failed).map(([, error]) => (error as Error).message);
			return [messages, await job.getState(), job.returnvalue, job.attemptsMade, job.stacktrace!.every((stack) => stack.includes('fails.cjs'))];
		},
	})),
	...inBoth('an unrecoverable error', (useWorkerThreads) => ({
		is: ['failed', 1, 'never'],
		async run(world) {
			const queue = world.queue();
			const worker = world.worker(GIVES_UP, { useWorkerThreads });
			const failed = heard(worker, 'failed');
			await queue.add('a', 1, { attempts: 3 });
			await failed;
			const job = (await queue.getJob('1'))!;
			return [await job.getState(), job.attemptsMade, job.failedReason];
		},
	})),
	...inBoth('being stopped', (useWorkerThreads) => ({
		is: ['failed', 'stopped'],
		async run(world) {
			const queue = world.queue();
			const worker = world.worker(STOPS, { useWorkerThreads });
			const active = heard(worker, 'active'), failed = heard(worker, 'failed');
			await queue.add('a', 1);
			await active;
			const again = setInterval(() => worker.cancelJob('1'), 50); // the file may not be loaded yet
			await failed;
			clearInterval(again);
			const job = (await queue.getJob('1'))!;
			return [await job.getState(), job.failedReason];
		},
	})),
	...inBoth('going back by itself: no attempt is counted', (useWorkerThreads) => ({
		is: ['completed', [3, 0], 1, 3],
		async run(world) {
			const queue = world.queue();
			const worker = world.worker(MOVES, { useWorkerThreads });
			const done = heard(worker, 'completed');
			await queue.add('a', { step: 1 });
			await done;
			const job = (await queue.getJob('1'))!;
			return [await job.getState(), job.returnvalue, job.attemptsMade, job.attemptsStarted];
		},
	})),
	...inBoth('children: awaited, their values and failures', (useWorkerThreads) => ({
		is: [[10], ['no'], [10], ['no'], { failed: 0, ignored: 1, processed: 1, unprocessed: 0 }],
		async run(world) {
			const parents = world.queue('parents'), queue = world.queue();
			const parent = { id: (await parents.add('p', {})).id!, queue: parents.qualifiedName };
			await queue.add('good', 5, { parent });
			await queue.add('bad', 0, { parent, ignoreDependencyOnFailure: true });
			const done = heard(world.worker(AWAITS, { useWorkerThreads }, 'parents'), 'completed');
			world.worker(async (job: Job<number>) => {
				if (!job.data)
					throw new Error('no');
				return job.data * 2;
			});
			return (await done)[0]![1];
		},
	})),
	'a process that dies': {
		is: ['failed', true],
		async run(world) {
			const queue = world.queue();
			const worker = world.worker(DIES);
			const failed = heard(worker, 'failed');
			await queue.add('a', 1);
			await failed;
			const job = (await queue.getJob('1')) as Job;
			return [await job.getState(), /exit code: 3/.test(job.failedReason)];
		},
	},
	'a module, by its URL': {
		is: ['completed', 42],
		async run(world) {
			const queue = world.queue();
			const worker = world.worker(pathToFileURL(MODULE));
			const done = heard(worker, 'completed');
			await queue.add('a', 21);
			await done;
			const job = (await queue.getJob('1'))!;
			return [await job.getState(), job.returnvalue];
		},
	},
});
