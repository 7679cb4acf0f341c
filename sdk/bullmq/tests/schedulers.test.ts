// Job schedulers: when their jobs run, what they are made of, and who may take them away.
import { DelayedError, UnrecoverableError, type Job, type JobSchedulerJson, type Queue } from 'bullmq';
import { cases, heard, ids, refusal, takeOne, until, type World } from './world.js';

const HOUR = 3_600_000, NEVER = '0 0 1 1 *';

/** A scheduler without what depends on the time of the run. */
function lasting(scheduler: JobSchedulerJson | undefined): object {
	const { next: _next, offset: _offset, ...rest } = scheduler!;
	return rest;
}

/** Which one it is, as BullMQ counts them. */
function countOf({ opts }: Job): unknown {
	return (opts as { repeat?: { count?: number } }).repeat?.count;
}

async function slots(queue: Queue): Promise<number[]> {
	const all = await queue.getJobSchedulers(0, -1, true);
	return all.map((scheduler) => scheduler!.next!);
}

async function states(queue: Queue): Promise<Record<string, number>> {
	return queue.getJobCounts('waiting', 'prioritized', 'delayed', 'active', 'completed', 'failed');
}

/** Works `count` jobs off; answers what was seen of each. */
async function worked<T>(world: World, count: number, see: (job: Job) => T, opts: object = {}): Promise<T[]> {
	const seen: T[] = [];
	const worker = world.worker(async (job: Job) => void seen.push(see(job)), opts);
	await heard(worker, 'completed', count);
	await worker.close();
	return seen;
}

cases('schedulers', {
	'every: the first one runs at once': {
		is: ['mail', true, 'waiting', 'k', 0, 1, { key: 'k', name: 'mail', iterationCount: 1, every: HOUR,
			template: { data: { a: 1 }, opts: { attempts: 3, priority: 0 } } }, true, true, 1],
		async run(world) {
			const queue = world.queue();
			const job = (await queue.upsertJobScheduler('k', { every: HOUR }, { name: 'mail', data: { a: 1 }, opts: { attempts: 3, priority: 0 } }))!;
			const scheduler = await queue.getJobScheduler('k'), kept = (await queue.getJob(job.id!))!;
			return [job.name, job.id === `repeat:k:${scheduler!.next}`, await job.getState(), kept.repeatJobKey, kept.delay, countOf(kept),
				lasting(scheduler), scheduler!.offset === scheduler!.next! % HOUR, kept.opts.jobId === job.id, await queue.getJobSchedulersCount()];
		},
	},
	'every: each claim makes the next, until the limit': {
		is: [[['tick', { n: 1 }, 1, 'k'], ['tick', { n: 1 }, 2, 'k'], ['tick', { n: 1 }, 3, 'k']], true,
			{ waiting: 0, prioritized: 0, delayed: 0, active: 0, completed: 3, failed: 0 }, { key: 'k', name: 'tick', iterationCount: 3, limit: 3, every: 50,
				template: { data: { n: 1 } } }, true],
		async run(world) {
			const queue = world.queue();
			await queue.upsertJobScheduler('k', { every: 50, limit: 3 }, { name: 'tick', data: { n: 1 } });
			const found: number[] = [];
			const seen = await worked(world, 3, (job) => {
				found.push(Number(job.id!.split(':')[2]));
				return [job.name, job.data as object, countOf(job), job.repeatJobKey];
			});
			const gaps = found.slice(1).map((at, i) => at - found[i]!);
			return [seen, gaps.every((gap) => gap > 0 && gap % 50 === 0), await states(queue), lasting(await queue.getJobScheduler('k')),
				(await slots(queue))[0] === found[2]];
		},
	},
	'a pattern in a time zone, and what each job is made of': {
		is: [true, 'delayed', true, { key: 'k', name: 'k', iterationCount: 1, tz: 'Asia/Tokyo', pattern: '0 30 9 * * *', template: { opts: { priority: 4 } } }, 0, true],
		async run(world) {
			const queue = world.queue();
			const job = (await queue.upsertJobScheduler('k', { pattern: '0 30 9 * * *', tz: 'Asia/Tokyo' }, { opts: { priority: 4 } }))!;
			const scheduler = (await queue.getJobScheduler('k'))!;
			const kept = (await queue.getJob(job.id!))!;
			return [scheduler.next! % (24 * HOUR) === HOUR / 2, await job.getState(), kept.timestamp + kept.delay === scheduler.next, lasting(scheduler), scheduler.offset,
				job.id === `repeat:k:${scheduler.next}`];
		},
	},
	'a pattern is followed by the workers': {
		is: [[1, 2], true, { waiting: 0, prioritized: 0, delayed: 0, active: 0, completed: 2, failed: 0 }],
		async run(world) {
			const queue = world.queue();
			await queue.upsertJobScheduler('k', { pattern: '* * * * * *', limit: 2, immediately: true });
			const at: number[] = [];
			const seen = await worked(world, 2, (job) => {
				at.push(Number(job.id!.split(':')[2]));
				return countOf(job);
			});
			return [seen, at[1]! % 1000 === 0 && at[1]! > at[0]!, await states(queue)];
		},
	},
	'the same again replaces the next job and keeps its time': {
		is: [true, true, 1, [{ n: 2 }], { n: 2 }, 1],
		async run(world) {
			const queue = world.queue();
			const startDate = Date.now() + HOUR;
			const first = (await queue.upsertJobScheduler('k', { every: HOUR, startDate }, { data: { n: 1 } }))!;
			const again = (await queue.upsertJobScheduler('k', { every: HOUR }, { data: { n: 2 } }))!;
			const delayed = await queue.getDelayed();
			const scheduler = await queue.getJobScheduler('k');
			return [first.id === `repeat:k:${startDate}`, again.id === first.id, delayed.length, delayed.map((job) => job.data as object), scheduler!.template!.data,
				scheduler!.iterationCount];
		},
	},
	'another interval begins anew': {
		is: ['delayed', 'waiting', true, 1],
		async run(world) {
			const queue = world.queue();
			const first = (await queue.upsertJobScheduler('k', { every: HOUR, startDate: Date.now() + HOUR }))!;
			const was = await first.getState();
			const again = (await queue.upsertJobScheduler('k', { every: 2 * HOUR }))!;
			return [was, await again.getState(), again.id !== first.id, await queue.count()];
		},
	},
	'a pattern in place of an interval': {
		is: ['delayed', 1, { key: 'k', name: 'k', iterationCount: 1, pattern: NEVER }],
		async run(world) {
			const queue = world.queue();
			await queue.upsertJobScheduler('k', { every: HOUR });
			const again = (await queue.upsertJobScheduler('k', { pattern: NEVER }))!;
			return [await again.getState(), await queue.count(), lasting(await queue.getJobScheduler('k'))];
		},
	},
	'after its newest one was claimed, a put makes the one after it': {
		is: [true, { waiting: 0, prioritized: 0, delayed: 1, active: 1, completed: 0, failed: 0 }],
		async run(world) {
			const queue = world.queue();
			await queue.upsertJobScheduler('k', { every: HOUR, limit: 1 });
			const job = await takeOne(world);
			const again = (await queue.upsertJobScheduler('k', { every: HOUR }))!;
			return [Number(again.id!.split(':')[2]) - Number(job.id!.split(':')[2]) === HOUR, await states(queue)];
		},
	},
	'offset, start and end': {
		is: [7_000, true, true, { message: 'End date must be greater than current timestamp' }, true],
		async run(world) {
			const queue = world.queue();
			await queue.upsertJobScheduler('offset', { every: HOUR, offset: 7_000 });
			const startDate = new Date(Date.now() + HOUR), endDate = new Date(Date.now() + 2 * HOUR);
			await queue.upsertJobScheduler('start', { every: HOUR, startDate, endDate });
			const offset = (await queue.getJobScheduler('offset'))!, start = (await queue.getJobScheduler('start'))!;
			const late = await refusal(queue.upsertJobScheduler('late', { every: HOUR, endDate: new Date(1) }));
			return [offset.next! % HOUR, start.next === startDate.getTime(), start.startDate === startDate.getTime() && start.endDate === endDate.getTime(), late,
				await queue.getJobScheduler('late') === undefined];
		},
	},
	'removed, with its delayed job': {
		is: [true, false, 0, 0, null],
		async run(world) {
			const queue = world.queue();
			const job = (await queue.upsertJobScheduler('k', { pattern: NEVER }))!;
			return [await queue.removeJobScheduler('k'), await queue.removeJobScheduler('k'), await queue.getJobSchedulersCount(), await queue.count(),
				await queue.getJob(job.id!) ?? null];
		},
	},
	'removed while its job is due, or runs: that one goes on, none follows': {
		is: [['waiting', 1], { waiting: 0, prioritized: 0, delayed: 0, active: 0, completed: 2, failed: 0 }],
		async run(world) {
			const queue = world.queue();
			const due = (await queue.upsertJobScheduler('due', { every: 50 }))!;
			await queue.removeJobScheduler('due');
			const left = [await due.getState(), await queue.count()];
			await worked(world, 1, () => 0);
			await queue.upsertJobScheduler('k', { every: 50, limit: 1 });
			await worked(world, 1, () => queue.removeJobScheduler('k'));
			return [left, await states(queue)];
		},
	},
	'its next job is not to be taken away': {
		is: [-8, true, 'delayed', 1, 'waiting', true],
		async run(world) {
			const queue = world.queue();
			const job = (await queue.upsertJobScheduler('k', { pattern: NEVER }))!;
			const { code, message } = await refusal(job.remove());
			await queue.drain(true);
			await queue.clean(0, 100, 'delayed');
			const was = await job.getState(), count = await queue.count();
			await job.promote();
			return [code, message.startsWith(`Job ${job.id} belongs to a job scheduler and cannot be removed directly.`), was, count, await job.getState(),
				(await takeOne(world)).id === job.id];
		},
	},
	'a promoted one is followed from its own time on': {
		is: [true, 2, 1],
		async run(world) {
			const queue = world.queue();
			const job = (await queue.upsertJobScheduler('k', { every: HOUR, startDate: Date.now() + HOUR }))!;
			await job.promote();
			await takeOne(world);
			const scheduler = (await queue.getJobScheduler('k'))!;
			return [scheduler.next === Number(job.id!.split(':')[2]) + HOUR, scheduler.iterationCount, (await queue.getDelayed()).length];
		},
	},
	'attempts, snoozes and failures make no further one': {
		is: [2, 1, 'failed'],
		async run(world) {
			const queue = world.queue();
			await queue.upsertJobScheduler('k', { every: HOUR }, { opts: { attempts: 5, removeOnFail: false } });
			let times = 0;
			const worker = world.worker(async (job: Job, token?: string) => {
				times++;
				if (times === 1)
					throw new Error('again');
				if (times === 2) {
					await job.moveToDelayed(Date.now() + 20, token);
					throw new DelayedError();
				}
				throw new UnrecoverableError('no more');
			});
			const failed = heard(worker, 'failed', 2);
			const job = ((await failed)[1] as [Job])[0];
			return [(await queue.getJobScheduler('k'))!.iterationCount, await queue.count(), await job.getState()];
		},
	},
	'the options of its jobs': {
		is: [{ attempts: 2, backoff: { type: 'fixed', delay: 5 }, removeOnFail: 3, repeat: { every: HOUR, offset: 7_000, count: 1, limit: 9 } },
			[true, true], { attempts: 2, backoff: { type: 'fixed', delay: 5 }, removeOnFail: 3, repeat: { every: HOUR, offset: 7_000, count: 2, limit: 9 } },
			[true, true]],
		async run(world) {
			const queue = world.queue();
			await queue.upsertJobScheduler('k', { every: HOUR, offset: 7_000, limit: 9 }, { opts: { attempts: 2, backoff: { type: 'fixed', delay: 5 }, removeOnFail: 3 } });
			const see = async (): Promise<unknown[]> => {
				const job = (await queue.getDelayed())[0]!;
				const { jobId, delay, timestamp: _timestamp, prevMillis: _prevMillis, ...lasting } = job.opts as Record<string, unknown>;
				return [lasting, [jobId === job.id, Math.abs(Number(delay) - job.delay) < 100]];
			};
			const first = await see();
			await (await queue.getDelayed())[0]!.promote();
			await takeOne(world);
			return [...first, ...await see()];
		},
	},
	'the newest one, when it has ended, can be removed': {
		is: [null],
		onRedis: { is: [-8], because: 'a job that has ended is a job like others' },
		async run(world) {
			const queue = world.queue();
			await queue.upsertJobScheduler('k', { every: HOUR, limit: 1 });
			const job = await takeOne(world);
			await job.moveToCompleted(1, 'mine', false);
			return [await job.remove().then(() => null, (error: { code: unknown }) => error.code)];
		},
	},
	'a pending one that is replaced is told': {
		is: ['added', 'removed', 'added'],
		onRedis: { is: ['added', 'added'], because: 'nothing leaves without a line' },
		async run(world) {
			const queue = world.queue(), events = await world.events();
			const told: string[] = [], over = heard(events, 'paused');
			events.on('added', () => told.push('added'));
			events.on('removed', () => told.push('removed'));
			await queue.upsertJobScheduler('k', { pattern: NEVER });
			await queue.upsertJobScheduler('k', { pattern: NEVER.replace('0', '1') });
			await queue.pause();
			await over;
			return told;
		},
	},
	'a kept job that has the id of the next one': {
		is: [-10, 'first'],
		onRedis: { is: [0, 'second'], because: 'a job that is kept stays what it was' },
		async run(world) {
			const queue = world.queue();
			const first = (await queue.upsertJobScheduler('k', { pattern: NEVER }, { data: 'first' }))!;
			await first.promote();
			await (await takeOne(world, 'mine')).moveToCompleted(1, 'mine', false);
			await queue.upsertJobScheduler('k', { every: HOUR });
			const code = await queue.upsertJobScheduler('k', { pattern: NEVER }, { data: 'second' }).then(() => 0, (error: { code: unknown }) => error.code);
			return [code, (await queue.getJob(first.id!))!.data];
		},
	},
	'another interval has another offset': {
		is: [true],
		onRedis: { is: [false], because: 'the old one may be longer than the new interval' },
		async run(world) {
			const queue = world.queue();
			await queue.upsertJobScheduler('k', { every: HOUR, startDate: Date.now() + HOUR });
			await queue.upsertJobScheduler('k', { every: 1000 });
			const { next, offset } = (await queue.getJobScheduler('k'))!;
			return [next! % 1000 === offset];
		},
	},
	'listed by next time': {
		is: [['c', 'b', 'a'], ['a', 'b', 'c'], ['b', 'c'], ['c'], ['a', 'b'], 3, []],
		async run(world) {
			const queue = world.queue(), from = Date.now() + HOUR;
			for (const [key, after] of [['b', 2], ['a', 1], ['c', 3]] as const)
				await queue.upsertJobScheduler(key, { every: HOUR, startDate: from + after * 1000 });
			const keys = async (...range: Parameters<Queue['getJobSchedulers']>): Promise<unknown[]> => (await queue.getJobSchedulers(...range)).map((one) => one!.key);
			return [await keys(), await keys(0, -1, true), await keys(1, 2, true), await keys(-1, -1, true), await keys(0, -2, true),
				await queue.getJobSchedulersCount(), await keys(7, 9)];
		},
	},
	'none': {
		is: [0, [], null, false],
		async run(world) {
			const queue = world.queue();
			return [await queue.getJobSchedulersCount(), await queue.getJobSchedulers(), await queue.getJobScheduler('k') ?? null, await queue.removeJobScheduler('k')];
		},
	},
	'times whose ids are taken are passed over': {
		is: [true, true],
		async run(world) {
			const queue = world.queue(), startDate = Date.now() + HOUR;
			const first = (await queue.upsertJobScheduler('k', { every: 1000, startDate, limit: 1 }))!;
			await first.promote();
			await (await takeOne(world)).moveToCompleted(1, 'mine', false);
			await queue.removeJobScheduler('k');
			const again = (await queue.upsertJobScheduler('k', { every: 1000, startDate }))!;
			return [first.id === `repeat:k:${startDate}`, again.id === `repeat:k:${startDate + 1000}`];
		},
	},
	'a pattern has no other time to offer': {
		is: [{ code: -10, message: 'Cannot create job scheduler iteration - job ID already exists. addJobScheduler' }, 0],
		async run(world) {
			const queue = world.queue();
			const first = (await queue.upsertJobScheduler('k', { pattern: NEVER, limit: 1 }))!;
			await first.promote();
			await (await takeOne(world)).moveToCompleted(1, 'mine', false);
			await queue.removeJobScheduler('k');
			return [await refusal(queue.upsertJobScheduler('k', { pattern: NEVER })), await queue.getJobSchedulersCount()];
		},
	},
	'a strategy of one\'s own': {
		is: [[1, 2, 3], 'in 20', 'k'],
		async run(world) {
			const settings = { repeatStrategy: (millis: number, opts: { pattern?: string }) => millis + Number(opts.pattern!.slice(3)) };
			const queue = world.queue('q', { settings } as object);
			await queue.upsertJobScheduler('k', { pattern: 'in 20', limit: 3 });
			const seen = await worked(world, 3, (job) => countOf(job), { settings });
			const scheduler = (await queue.getJobScheduler('k'))!;
			return [seen, scheduler.pattern, scheduler.name];
		},
	},
	'odd keys and names': {
		is: [['a:b c:0', ''], true, [['', 1], ['', 2]], 'Europe/Paris'],
		async run(world) {
			const queue = world.queue(), key = 'a:b c:0';
			const job = (await queue.upsertJobScheduler(key, { every: 50, limit: 2, tz: 'Europe/Paris' }, { name: '' }))!;
			const scheduler = (await queue.getJobScheduler(key))!;
			const seen = await worked(world, 2, (one) => [one.name, countOf(one)]);
			return [[scheduler.key, scheduler.name], job.id === `repeat:${key}:${scheduler.next}`, seen, scheduler.tz];
		},
	},
	'events of its jobs': {
		is: [[['added', 'k'], ['delayed', null]], true],
		async run(world) {
			const queue = world.queue(), events = await world.events({ lastEventId: '0' });
			const seen: [string, string | null][] = [];
			const told = new Set<string>();
			for (const event of ['added', 'waiting', 'delayed'] as const)
				events.on(event, (args: { jobId: string; name?: string }) => {
					told.add(args.jobId);
					seen.push([event, args.name ?? null]);
				});
			const delayed = heard(events, 'delayed');
			const job = (await queue.upsertJobScheduler('k', { pattern: NEVER }))!;
			await delayed;
			return [seen, told.size === 1 && told.has(job.id!)];
		},
	},
	'an obliterated queue has none': {
		is: [0, [], 0],
		async run(world) {
			const queue = world.queue();
			await queue.upsertJobScheduler('a', { every: HOUR });
			await queue.upsertJobScheduler('b', { pattern: NEVER });
			await queue.obliterate();
			return [await queue.getJobSchedulersCount(), ids(await queue.getJobs()), await queue.count()];
		},
	},
	'many schedulers, many workers: no time twice, none left out': {
		is: [[4, 4, 4, 4, 4], 20],
		async run(world) {
			const queue = world.queue();
			const seen = new Map<string, Set<string>>();
			const processor = async (job: Job): Promise<void> => {
				const mine = seen.get(job.repeatJobKey!) ?? new Set();
				seen.set(job.repeatJobKey!, mine.add(job.id!));
			};
			for (let i = 0; i < 3; i++)
				world.worker(processor, { concurrency: 3 });
			await Promise.all(Array.from({ length: 5 }, (_, i) => queue.upsertJobScheduler(`k${i}`, { every: 40, limit: 4 })));
			await until(async () => (await queue.getCompletedCount()) === 20);
			return [[...seen.values()].map((all) => all.size), await queue.getCompletedCount()];
		},
	},
});
