// Cleaning, obliterating, metadata, metrics, who works, events of one's own.
import type { Job } from 'bullmq';
import { cases, heard, refusal, takeOne, until } from './world.js';

cases('administration', {
	'cleaning by state, and how many at most': {
		is: [['1', '2'], ['3'], 0, ['p1', 'p2'], ['d1'], 1, []],
		async run(world) {
			const queue = world.queue();
			await queue.addBulk([1, 2, 3].map((n) => ({ name: 'a', data: n })));
			await queue.addBulk(['p1', 'p2'].map((jobId) => ({ name: 'a', data: 1, opts: { jobId, priority: 3 } })));
			await queue.add('a', 1, { jobId: 'd1', delay: 60_000 });
			await new Promise((resolve) => setTimeout(resolve, 5));
			const two = (await queue.clean(0, 2, 'wait')).sort(), rest = await queue.clean(0, 10, 'wait');
			const waiting = await queue.getWaitingCount();
			const prioritised = (await queue.clean(0, 10, 'prioritized')).sort(), delayed = await queue.clean(0, 10, 'delayed');
			await queue.add('a', 1);
			await takeOne(world);
			return [two, rest, waiting, prioritised, delayed, await queue.getActiveCount(), await queue.clean(0, 10, 'active')];
		},
	},
	'cleaning finished ones, and only old ones': {
		is: [[], ['1', '2'], ['3'], 0],
		async run(world) {
			const queue = world.queue();
			const worker = world.worker(async (job: Job) => {
				if (job.name === 'bad')
					throw new Error('no');
			});
			const ends = Promise.all([heard(worker, 'completed', 2), heard(worker, 'failed')]);
			await queue.addBulk(['good', 'good', 'bad'].map((name) => ({ name, data: 1 })));
			await ends;
			await new Promise((resolve) => setTimeout(resolve, 5));
			const young = await queue.clean(60_000, 10, 'completed');
			return [young, (await queue.clean(0, 10, 'completed')).sort(), await queue.clean(0, 10, 'failed'), await queue.getJobCountByTypes('completed', 'failed')];
		},
	},
	'cleaning is told': {
		is: ['2'],
		async run(world) {
			const queue = world.queue(), events = await world.events({ lastEventId: '0' });
			const told = heard(events, 'cleaned');
			await queue.addBulk([1, 2].map((n) => ({ name: 'a', data: n })));
			await new Promise((resolve) => setTimeout(resolve, 5));
			await queue.clean(0, 10, 'wait');
			return [((await told)[0]![0] as { count: string }).count];
		},
	},
	'obliterating': {
		is: [{ message: 'Cannot obliterate queue with active jobs' }, [0, 0, 0, 0, 0], false, '1'],
		async run(world) {
			const queue = world.queue();
			await queue.addBulk([{}, {}, { priority: 1 }, { delay: 60_000 }].map((opts) => ({ name: 'a', data: 1, opts })));
			await takeOne(world);
			const refused = await refusal(queue.obliterate());
			await queue.obliterate({ force: true });
			const counts = Object.values(await queue.getJobCounts('waiting', 'active', 'prioritized', 'delayed', 'failed'));
			const paused = await queue.isPaused();
			return [refused, counts, paused, (await queue.add('a', 1)).id];
		},
	},
	'metadata': {
		is: [{ paused: false, maxLenEvents: 77, concurrency: 3, max: 5, duration: 1000 }, 3, { max: 5, duration: 1000 }, null, null, true, 'bullmq'],
		async run(world) {
			const queue = world.queue('q', { streams: { events: { maxLen: 77 } } });
			const version = await queue.getVersion();
			await queue.setGlobalConcurrency(3);
			await queue.setGlobalRateLimit(5, 1000);
			const { version: _, ...meta } = await queue.getMeta() as { version?: string };
			const most = await queue.getGlobalConcurrency(), rate = await queue.getGlobalRateLimit();
			await queue.removeGlobalConcurrency();
			await queue.removeGlobalRateLimit();
			const none = [await queue.getGlobalConcurrency(), await queue.getGlobalRateLimit()];
			await queue.pause();
			return [meta, most, rate, ...none, (await queue.getMeta()).paused, version!.split(':')[0]];
		},
	},
	'how many ended, by the minute': {
		is: [2, 1, true, true],
		async run(world) {
			const queue = world.queue(), minute = (): number => Math.floor(Date.now() / 60_000), begun = minute();
			const worker = world.worker(async (job: Job) => {
				if (job.name === 'bad')
					throw new Error('no');
			}, { metrics: { maxDataPoints: 60 } });
			const ends = Promise.all([heard(worker, 'completed', 2), heard(worker, 'failed', 2)]);
			await queue.addBulk([['good', {}], ['good', {}], ['bad', { attempts: 2 }]].map(([name, opts]) => ({ name: name as string, data: 1, opts: opts as object })));
			await ends;
			const [completed, failed] = [await queue.getMetrics('completed'), await queue.getMetrics('failed')];
			const { data } = await queue.getMetrics('completed', 0, 0);
			return [completed.meta.count, failed.meta.count, data.length === 0 || minute() !== begun, Array.isArray(failed.data)];
		},
	},
	'who works': {
		is: [['bull-name', 'q'], 2, 1],
		async run(world) {
			const queue = world.queue();
			const workers = [world.worker(async () => 1), world.worker(async () => 1, { name: 'unit' })];
			await Promise.all(workers.map((worker) => worker.waitUntilReady()));
			await until(async () => await queue.getWorkersCount() === 2);
			const all = await queue.getWorkers();
			const names = all.map((worker) => worker['rawname']!.endsWith(':w:unit') ? 'bull-name' : worker['name']!).sort();
			await workers[0]!.close();
			await until(async () => await queue.getWorkersCount() === 1);
			return [names, all.length, await queue.getWorkersCount()];
		},
	},
	'events of one\'s own': {
		is: [{ jobId: '7', some: 'thing' }],
		async run(world) {
			const events = await world.events({ lastEventId: '0' }); // and no queue so far
			const told = heard(events, 'mine');
			await world.producer().publishEvent({ eventName: 'mine', jobId: '7', some: 'thing' });
			return [(await told)[0]![0]];
		},
	},
	'drained and cleaned jobs leave a line': {
		is: ['removed 1', 'removed 2', 'removed 3'],
		onRedis: { is: [], because: 'the event log is the history; nothing leaves without a line' },
		async run(world) {
			const queue = world.queue(), events = await world.events({ lastEventId: '0' });
			const told: string[] = [];
			events.on('removed', ({ jobId }) => told.push(`removed ${jobId}`));
			const added = heard(events, 'added', 4);
			await queue.addBulk([1, 2].map((n) => ({ name: 'a', data: n })));
			await queue.drain();
			await queue.add('a', 1);
			await until(async () => (await queue.clean(0, 10, 'wait')).length === 1);
			await queue.add('a', 1);
			await added;
			return told.sort();
		},
	},
	'promoting and retrying many keeps priorities': {
		is: [['prioritized', 'prioritized'], 'prioritized'],
		onRedis: { is: [['waiting', 'waiting'], 'waiting'], because: 'what was asked for stays' },
		async run(world) {
			const queue = world.queue();
			const jobs = await queue.addBulk([1, 2].map((n) => ({ name: 'a', data: n, opts: { delay: 60_000, priority: n } })));
			await queue.promoteJobs();
			const states = await Promise.all(jobs.map((job) => job.getState()));
			const job = await takeOne(world);
			await job.moveToFailed(new Error('no'), 'mine');
			await queue.retryJobs();
			return [states, await job.getState()];
		},
	},
	'the delay of jobs that were promoted, one and all': {
		is: [0, 0],
		onRedis: { is: [0, 60_000], because: 'it waits no more' },
		async run(world) {
			const queue = world.queue();
			const jobs = await queue.addBulk([1, 2].map((n) => ({ name: 'a', data: n, opts: { delay: 60_000 } })));
			await jobs[0]!.promote();
			await queue.promoteJobs();
			return Promise.all(jobs.map(async ({ id }) => (await queue.getJob(id!))!.delay));
		},
	},
	'the priority of a running job, and of one that has ended': {
		is: [{ message: 'Job 1 is not in the waiting or delayed state. changePriority', code: -3 }, { message: 'Job 1 is not in the waiting or delayed state. changePriority', code: -3 }],
		onRedis: { is: [null, null], because: 'it would change nothing' },
		async run(world) {
			const queue = world.queue();
			await queue.add('a', 1);
			const job = await takeOne(world);
			const change = (): Promise<unknown> => job.changePriority({ priority: 3 })
				.then(() => null, ({ message, code }: { message: string; code: number }) => ({ message, code }));
			const running = await change();
			await job.moveToCompleted(1, 'mine', false);
			return [running, await change()];
		},
	},
});
