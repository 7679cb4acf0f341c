// QueueEvents: which events, in which order, with what in them; waiting for a result.
import { UnrecoverableError, type Job, type QueueEvents } from 'bullmq';
import { cases, heard, refusal, takeOne, until } from './world.js';

const NAMES = ['added', 'waiting', 'active', 'completed', 'failed', 'delayed', 'progress', 'removed', 'drained', 'paused', 'resumed', 'stalled', 'duplicated',
	'retries-exhausted', 'waiting-children'];

/** All that it tells, as `name {…}`; what is a time is left out. */
function record(events: QueueEvents): string[] {
	const told: string[] = [];
	for (const name of NAMES)
		events.on(name as 'added', ((args: object | string) => {
			const { delay, ...rest } = typeof args === 'string' ? {} as { delay?: number } : args as { delay?: number };
			told.push(`${name} ${JSON.stringify({ ...rest, ...(delay === undefined ? {} : { delay: delay > 1e12 ? 'due' : delay }) })}`);
		}) as never);
	return told;
}

cases('events', {
	'a job that completes': {
		is: [
			'added {"jobId":"1","name":"a"}', 'waiting {"jobId":"1"}', 'active {"jobId":"1","prev":"waiting"}', 'progress {"jobId":"1","data":{"half":true}}',
			'completed {"jobId":"1","returnvalue":{"text":"x"},"prev":"active"}', 'drained {}',
		],
		async run(world) {
			const queue = world.queue(), events = await world.events({ lastEventId: '0' });
			const told = record(events), drained = heard(events, 'drained');
			world.worker(async (job: Job) => {
				await job.updateProgress({ half: true });
				return { text: 'x' };
			});
			await queue.add('a', 1);
			await drained;
			return told;
		},
	},
	'a job that fails, is delayed, and fails for good': {
		is: [
			'added {"jobId":"1","name":"a"}', 'waiting {"jobId":"1"}', 'active {"jobId":"1","prev":"waiting"}', 'delayed {"jobId":"1","delay":"due"}',
			'waiting {"jobId":"1","prev":"delayed"}', 'active {"jobId":"1","prev":"waiting"}', 'failed {"jobId":"1","failedReason":"no","prev":"active"}',
			'retries-exhausted {"jobId":"1","attemptsMade":"2"}',
		],
		async run(world) {
			const queue = world.queue(), events = await world.events({ lastEventId: '0' });
			const told = record(events), done = heard(events, 'retries-exhausted');
			world.worker(async () => {
				throw new Error('no');
			});
			await queue.add('a', 1, { attempts: 2, backoff: 20 });
			await done;
			return told.slice(0, 8); // `drained` follows
		},
	},
	'a retry at once, and an end before the attempts are spent': {
		is: ['waiting {"jobId":"1","prev":"active"}', 'active {"jobId":"1","prev":"waiting"}', 'failed {"jobId":"1","failedReason":"never","prev":"active"}'],
		async run(world) {
			const queue = world.queue(), events = await world.events({ lastEventId: '0' });
			const told = record(events), done = heard(events, 'failed');
			world.worker(async (job: Job) => {
				throw job.attemptsMade ? new UnrecoverableError('never') : new Error('once');
			});
			await queue.add('a', 1, { attempts: 5 });
			await done;
			return told.slice(3, 6);
		},
	},
	'delayed, prioritised, promoted, twice, removed, paused and resumed': {
		is: [
			'added {"jobId":"d","name":"a"}', 'delayed {"jobId":"d","delay":"due"}', 'added {"jobId":"p","name":"b"}', 'waiting {"jobId":"p"}',
			'waiting {"jobId":"d","prev":"delayed"}', 'duplicated {"jobId":"d"}', 'removed {"jobId":"d","prev":"waiting"}', 'paused {}', 'resumed {}',
		],
		onRedis: {
			is: [
				'added {"jobId":"d","name":"a"}', 'delayed {"jobId":"d","delay":"due"}', 'added {"jobId":"p","name":"b"}', 'waiting {"jobId":"p"}',
				'waiting {"jobId":"d","prev":"delayed"}', 'duplicated {"jobId":"d"}', 'removed {"jobId":"d","prev":"wait"}', 'paused {}', 'resumed {}',
			],
			because: 'one word for a state: `waiting`',
		},
		async run(world) {
			const queue = world.queue(), events = await world.events({ lastEventId: '0' });
			const told = record(events), done = heard(events, 'resumed');
			await queue.add('a', 1, { jobId: 'd', delay: 60_000 });
			await queue.add('b', 1, { jobId: 'p', priority: 2 });
			await (await queue.getJob('d'))!.promote();
			await queue.add('a', 1, { jobId: 'd' });
			await queue.remove('d');
			await queue.pause();
			await queue.resume();
			await done;
			return told;
		},
	},
	'by job': {
		is: [[['completed:1', { jobId: '1', returnvalue: 7, prev: 'active' }]], 'string'],
		async run(world) {
			const queue = world.queue(), events = await world.events({ lastEventId: '0' });
			const all: unknown[] = [];
			let id: unknown;
			events.on('completed:1' as 'completed', (args, at) => {
				all.push(['completed:1', args]);
				id = at;
			});
			world.worker(async () => 7);
			await queue.add('a', 1);
			await until(() => all.length > 0);
			return [all, typeof id];
		},
	},
	'from an id on, and from the beginning': {
		is: [['added 1', 'waiting 1', 'added 2', 'waiting 2'], ['added 2', 'waiting 2']],
		async run(world) {
			const queue = world.queue();
			await queue.addBulk([1, 2].map(() => ({ name: 'a', data: 1 })));
			const read = async (lastEventId: string, count: number): Promise<{ told: string[]; at: string[] }> => {
				const events = await world.events({ lastEventId, autorun: false });
				const told: string[] = [], at: string[] = [];
				for (const name of ['added', 'waiting'] as const)
					events.on(name, ({ jobId }: { jobId: string }, id: string) => {
						told.push(`${name} ${jobId}`);
						at.push(id);
					});
				void events.run();
				await until(() => told.length >= count);
				await events.close();
				return { told, at };
			};
			const all = await read('0', 4);
			const rest = await read(all.at[1]!, 2);
			return [all.told, rest.told];
		},
	},
	'from now on, unless somebody says otherwise': {
		is: false,
		async run(world) {
			const queue = world.queue();
			const before = await queue.add('a', 1);
			const events = await world.events({ lastEventId: undefined });
			const told: string[] = [];
			events.on('added', ({ jobId }) => told.push(jobId));
			await until(async () => { // whenever it is that it begins
				await queue.add('a', 1);
				return told.length > 0;
			});
			return told.includes(before.id!);
		},
	},
	'from between the two of an add': {
		is: ['waiting 1'],
		async run(world) {
			const queue = world.queue();
			await queue.add('a', 1);
			const first = await world.events({ lastEventId: '0', autorun: false });
			const added = heard(first, 'added');
			void first.run();
			const id = (await added)[0]![1] as string;
			await first.close();
			const second = await world.events({ lastEventId: id, autorun: false });
			const told: string[] = [];
			second.on('added', ({ jobId }) => told.push(`added ${jobId}`));
			second.on('waiting', ({ jobId }) => told.push(`waiting ${jobId}`));
			void second.run();
			await until(() => told.length > 0);
			return told;
		},
	},
	'waiting for a result, for a failure, for what is over, for nothing': {
		is: ['r', 'no', 'r', { message: 'Missing key for job QUEUE:gone. isFinished' }, { message: 'Job wait a timed out before finishing, no finish notification arrived after 30ms (id=slow)' }],
		async run(world) {
			const queue = world.queue(), events = await world.events();
			const slow = await queue.add('a', 1, { jobId: 'slow', delay: 60_000 });
			const late = await refusal(slow.waitUntilFinished(events, 30));
			world.worker(async (job: Job) => {
				if (job.name === 'bad')
					throw new Error('no');
				return 'r';
			});
			const good = await queue.add('good', 1), bad = await queue.add('bad', 1);
			const results = await Promise.all([good.waitUntilFinished(events), bad.waitUntilFinished(events).catch((error: Error) => error.message)]);
			const again = await good.waitUntilFinished(events);
			const gone = await queue.add('gone', 1, { jobId: 'gone', delay: 60_000 });
			await queue.remove('gone');
			const { message } = await refusal(gone.waitUntilFinished(events));
			return [...results, again, { message: message.replace(queue.qualifiedName, 'QUEUE') }, late];
		},
	},
	'a job given back waits again, an end by another says so': {
		is: ['waiting {"jobId":"1","prev":"active"}'],
		async run(world) {
			const queue = world.queue(), events = await world.events({ lastEventId: '0' });
			const told = record(events);
			await queue.add('a', 1);
			const job = await takeOne(world);
			await job.moveToWait('mine');
			await until(() => told.length >= 4);
			return told.slice(3);
		},
	},
});
