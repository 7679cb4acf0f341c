// Adding: ids, states, orders, refusals.
import { cases, ids, refusal, until } from './world.js';

cases('adding', {
	'ids are counted, in order, and a custom one counts too': {
		is: ['1', '2', 'mine', '3', ['4', '5']],
		onRedis: { is: ['1', '2', 'mine', '4', ['5', '6']], because: 'a number is given only to those who need one: ids never repeat, and are not promised to be dense' },
		async run(world) {
			const queue = world.queue();
			const a = await queue.add('a', 1), b = await queue.add('b', 2), c = await queue.add('c', 3, { jobId: 'mine' }), d = await queue.add('d', 4);
			return [a.id, b.id, c.id, d.id, ids(await queue.addBulk([{ name: 'e', data: 5 }, { name: 'f', data: 6 }]))];
		},
	},
	'data and options come back as they were': {
		is: [{ nested: { text: 'ü\u2028"', list: [1, null, true] } }, { attempts: 3, backoff: { type: 'exponential', delay: 5 }, keepLogs: 2, removeOnFail: 7 }, 'näme', 0, 12345],
		async run(world) {
			const queue = world.queue();
			await queue.add('näme', { nested: { text: 'ü\u2028"', list: [1, null, true] } },
				{ attempts: 3, backoff: { type: 'exponential', delay: 5 }, keepLogs: 2, removeOnFail: 7, timestamp: 12345 });
			const job = (await queue.getJob('1'))!;
			const { timestamp, ...opts } = job.opts;
			return [job.data, opts, job.name, job.progress, timestamp];
		},
	},
	'names that are empty, long or odd are kept': {
		is: ['', 'x'.repeat(300), 'a\nb'],
		async run(world) {
			const queue = world.queue();
			await queue.addBulk(['', 'x'.repeat(300), 'a\nb'].map((name) => ({ name, data: {} })));
			return (await queue.getWaiting()).map((job) => job.name);
		},
	},
	'no data is an empty object': {
		is: {},
		async run(world) {
			const queue = world.queue();
			await queue.add('a', undefined);
			return (await queue.getJob('1'))!.data as object;
		},
	},
	'states by options': {
		is: ['waiting', 'delayed', 'prioritized', 'delayed', 'unknown'],
		async run(world) {
			const queue = world.queue();
			await queue.addBulk([{ name: 'a', data: 1 }, { name: 'b', data: 1, opts: { delay: 60_000 } }, { name: 'c', data: 1, opts: { priority: 3 } },
				{ name: 'd', data: 1, opts: { priority: 3, delay: 60_000 } }]);
			return Promise.all(['1', '2', '3', '4', '5'].map((id) => queue.getJobState(id)));
		},
	},
	'an id that is there is answered, and nothing changes': {
		is: ['x', 'first', 1],
		async run(world) {
			const queue = world.queue();
			await queue.add('first', 1, { jobId: 'x' });
			const job = await queue.add('second', 2, { jobId: 'x' });
			return [job.id, (await queue.getJob('x'))!.name, await queue.count()];
		},
	},
	'priorities, first in first out, last in first out': {
		is: ['c', 'a', 'b', 'p1', 'p2', 'p2b', 'p9'],
		async run(world) {
			const queue = world.queue();
			await queue.add('p9', 0, { priority: 9 });
			await queue.add('p2', 0, { priority: 2 });
			await queue.add('p2b', 0, { priority: 2, lifo: true });
			await queue.add('a', 0);
			await queue.add('b', 0);
			await queue.add('c', 0, { lifo: true });
			await queue.add('p1', 0, { priority: 1 });
			const worker = world.worker(null, { autorun: false });
			const taken: string[] = [];
			for (let job; (job = await worker.getNextJob('t', { block: false })); await job.moveToCompleted(1, 't', false))
				taken.push(job.name);
			return taken;
		},
	},
	'calls of one tick are in order': {
		is: Array.from({ length: 50 }, (_, i) => i),
		async run(world) {
			const queue = world.queue();
			await Promise.all(Array.from({ length: 50 }, (_, i) => queue.add('a', i)));
			return (await queue.getWaiting()).map((job) => job.data as number);
		},
	},
	'what BullMQ refuses is refused in its words': {
		is: [
			{ message: 'Custom Id cannot be integers' }, { message: 'Custom Id cannot contain :' }, { message: "JobId cannot be '0' or start with '0:'" },
			{ message: 'Priority should be between 0 and 2097151' }, { message: 'Priority should not be float' },
			{ message: 'The size of job a exceeds the limit 3 bytes' }, { message: 'Deduplication id must be provided' },
		],
		async run(world) {
			const queue = world.queue();
			return Promise.all([
				refusal(queue.add('a', 1, { jobId: '12' })), refusal(queue.add('a', 1, { jobId: 'a:b' })), refusal(queue.add('a', 1, { jobId: '0' })),
				refusal(queue.add('a', 1, { priority: 2_097_153 })), refusal(queue.add('a', 1, { priority: 1.5 })),
				refusal(queue.add('a', 'long', { sizeLimit: 3 })), refusal(queue.add('a', 1, { deduplication: { id: '' } })),
			]);
		},
	},
	'nothing in bulk is nothing': {
		is: [[], 0],
		async run(world) {
			const queue = world.queue();
			return [await queue.addBulk([]), await queue.count()];
		},
	},
	'a queue may be called webhooks': {
		is: [['1', '2'], 'done', ['1', '2'], 0],
		async run(world) {
			const queue = world.queue('webhooks');
			await queue.pause();
			const added = [await queue.add('a', 1), await queue.add('b', 2)];
			await queue.resume();
			const events = await world.events({}, 'webhooks');
			world.worker(async () => 'done', {}, 'webhooks');
			const result = await added[1]!.waitUntilFinished(events);
			await until(async () => (await queue.getCompletedCount()) === 2);
			const completed = ids(await queue.getCompleted());
			await queue.obliterate();
			return [ids(added), result, completed.sort(), await queue.count()];
		},
	},
	'many in bulk, in order': {
		is: [3000, '1', '3000', 3000],
		async run(world) {
			const queue = world.queue();
			const jobs = await queue.addBulk(Array.from({ length: 3000 }, (_, i) => ({ name: 'a', data: { i } })));
			const all = await queue.getWaiting();
			return [jobs.length, jobs[0]!.id, all.at(-1)!.id, all.length];
		},
	},
});
