// Looking: jobs by state and place, counts, logs, metadata.
import type { Job, JobType } from 'bullmq';
import { cases, heard, ids, takeOne } from './world.js';

const ALL: JobType[] = ['active', 'completed', 'delayed', 'failed', 'prioritized', 'waiting', 'waiting-children'];

cases('looking', {
	'counts by state': {
		is: [{ active: 1, completed: 0, delayed: 1, failed: 0, prioritized: 2, waiting: 1, 'waiting-children': 0 }, 4, { 'waiting': 1, 'delayed': 1 }, 1, 2, 1],
		async run(world) {
			const queue = world.queue();
			await queue.addBulk([{}, {}, { delay: 60_000 }, { priority: 1 }, { priority: 2 }].map((opts) => ({ name: 'a', data: 1, opts })));
			await takeOne(world);
			return [await queue.getJobCounts(...ALL), await queue.count(), await queue.getJobCounts('waiting', 'delayed'), await queue.getActiveCount(),
				await queue.getPrioritizedCount(), await queue.getWaitingCount()];
		},
	},
	'counts by priority': {
		is: { 0: 2, 1: 1, 5: 2, 9: 0 },
		async run(world) {
			const queue = world.queue();
			await queue.addBulk([{}, {}, { priority: 5 }, { priority: 1 }, { priority: 5 }].map((opts) => ({ name: 'a', data: 1, opts })));
			return queue.getCountsPerPriority([0, 1, 5, 9]);
		},
	},
	'of a queue that nobody made': {
		is: [null, 'unknown', [], 0, { logs: [], count: 0 }, null, false],
		async run(world) {
			const queue = world.queue('other', { skipMetasUpdate: true });
			return [await queue.getJob('1') ?? null, await queue.getJobState('1'), await queue.getJobs(), await queue.count(), await queue.getJobLogs('1'),
				await queue.getDeduplicationJobId('k'), await queue.isPaused()];
		},
	},
	'waiting ones by place': {
		is: [['1', '2', '3', '4', '5'], ['1', '2'], ['3', '4'], ['5', '4', '3', '2', '1'], ['5', '4'], ['4', '5'], ['2', '1'], []],
		async run(world) {
			const queue = world.queue();
			await queue.addBulk([1, 2, 3, 4, 5].map((n) => ({ name: 'a', data: n })));
			const get = async (start: number, end: number, asc: boolean): Promise<unknown> => ids(await queue.getJobs(['waiting'], start, end, asc));
			return [ids(await queue.getWaiting()), await get(0, 1, true), await get(2, 3, true), await get(0, -1, false), await get(0, 1, false), await get(3, -1, true),
				await get(3, 4, false), await get(7, 9, true)];
		},
	},
	'delayed and prioritised ones by place': {
		is: [['d1', 'd2', 'd3'], ['d3', 'd2'], ['p1', 'p2', 'p2b'], ['p2b'], ['p1']],
		async run(world) {
			const queue = world.queue();
			await queue.addBulk([['d2', { delay: 80_000 }], ['d3', { delay: 90_000 }], ['d1', { delay: 70_000 }], ['p2', { priority: 2 }], ['p1', { priority: 1 }], ['p2b', { priority: 2 }]]
				.map(([jobId, opts]) => ({ name: 'a', data: 1, opts: { jobId: jobId as string, ...opts as object } })));
			return [ids(await queue.getDelayed()), ids(await queue.getJobs(['delayed'], 0, 1, false)), ids(await queue.getPrioritized()),
				ids(await queue.getJobs(['prioritized'], 0, 0, false)), ids(await queue.getPrioritized(0, 0))];
		},
	},
	'finished ones, the newest first': {
		is: [['3', '2', '1'], ['3'], ['1', '2', '3'], ['4']],
		async run(world) {
			const queue = world.queue();
			const worker = world.worker(async (job: Job) => {
				if (job.name === 'bad')
					throw new Error('no');
				await new Promise((resolve) => setTimeout(resolve, 3)); // no two in one millisecond: those have no order on Redis
			});
			const done = Promise.all([heard(worker, 'completed', 3), heard(worker, 'failed')]);
			await queue.addBulk(['good', 'good', 'good', 'bad'].map((name) => ({ name, data: 1 })));
			await done;
			return [ids(await queue.getCompleted()), ids(await queue.getCompleted(0, 0)), ids(await queue.getJobs(['completed'], 0, -1, true)), ids(await queue.getFailed())];
		},
	},
	'several states at once, and active ones': {
		is: [['1'], ['1', '2', '3', 'd'], 'active'],
		async run(world) {
			const queue = world.queue();
			await queue.addBulk([1, 2, 3].map((n) => ({ name: 'a', data: n })));
			await queue.add('a', 1, { jobId: 'd', delay: 60_000 });
			const job = await takeOne(world);
			return [ids(await queue.getActive()), ids(await queue.getJobs(['active', 'waiting', 'delayed'], 0, -1, true)), await job.getState()];
		},
	},
	'more than a page': {
		is: [2500, '1', '2500', 1500, '1001'],
		async run(world) {
			const queue = world.queue();
			await queue.addBulk(Array.from({ length: 2500 }, (_, i) => ({ name: 'a', data: i })));
			const all = await queue.getWaiting(), part = await queue.getWaiting(1000);
			return [all.length, all[0]!.id, all.at(-1)!.id, part.length, part[0]!.id];
		},
	},
	'what state a job is in, asked by state': {
		is: [[true, false, false], [false, true, false], [false, false, true]],
		async run(world) {
			const queue = world.queue();
			const jobs = await queue.addBulk([{}, { delay: 60_000 }, { priority: 1 }].map((opts) => ({ name: 'a', data: 1, opts })));
			const job = await takeOne(world);
			return [[await job.isActive(), await job.isWaiting(), await job.isCompleted()], [await jobs[1]!.isActive(), await jobs[1]!.isDelayed(), await jobs[1]!.isFailed()],
				[await jobs[2]!.isWaiting(), await jobs[2]!.isDelayed(), (await jobs[2]!.getState()) === 'prioritized']];
		},
	},
	'log lines from either end, and kept as many as asked for': {
		is: [
			[1, 2, 3, 4, 5], { logs: ['1', '2', '3', '4', '5'], count: 5 }, { logs: ['2', '3'], count: 5 }, { logs: ['5', '4'], count: 5 }, { logs: ['4', '5'], count: 2 },
			{ logs: [], count: 0 }, [1, 2, 2], ['b', 'c'],
		],
		async run(world) {
			const queue = world.queue();
			const job = await queue.add('a', 1), short = await queue.add('b', 1, { keepLogs: 2 });
			const counts: number[] = [], kept: number[] = [];
			for (const line of ['1', '2', '3', '4', '5'])
				counts.push(await job.log(line));
			const all = await queue.getJobLogs('1'), middle = await queue.getJobLogs('1', 1, 2), newest = await queue.getJobLogs('1', 0, 1, false);
			await job.clearLogs(2);
			const few = await queue.getJobLogs('1');
			await job.clearLogs();
			const none = await queue.getJobLogs('1');
			for (const line of ['a', 'b', 'c'])
				kept.push(await short.log(line));
			return [counts, all, middle, newest, few, none, kept, (await queue.getJobLogs('2')).logs];
		},
	},
	'of jobs that are not there': {
		is: [
			{ message: 'Missing key for job 9. updateProgress', code: -1 }, { message: 'Missing key for job 9. addLog', code: -1 },
			{ message: 'Missing key for job 1. updateData', code: -1 }, 1,
		],
		async run(world) {
			const { refusal } = await import('./world.js');
			const queue = world.queue();
			const job = await queue.add('a', 1);
			await job.remove();
			return [await refusal(queue.updateJobProgress('9', 1)), await refusal(queue.addJobLog('9', 'x')), await refusal(job.updateData(2)), await queue.remove('9')];
		},
	},
	'text for Prometheus': {
		is: ['bullmq_job_count{queue="q", state="waiting"} 1', 'bullmq_job_count{queue="q", state="delayed"} 0'],
		async run(world) {
			const queue = world.queue();
			await queue.add('a', 1);
			const lines = (await queue.exportPrometheusMetrics()).split('\n');
			return lines.filter((line) => /state="(waiting|delayed)"/.test(line)).reverse();
		},
	},
});
