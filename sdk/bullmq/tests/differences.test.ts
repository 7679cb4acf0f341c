// Where Ruche differs from Redis on purpose (README), as far as the other files do not show it.
import { cases, heard, takeOne, until } from './world.js';

const HOUR = 3_600_000, LONG = 'x'.repeat(1_100_000), STACK = `Error: no\n${'    at somewhere\n'.repeat(2000)}`;

cases('differences', {
	'clean takes no running job, whose lock may be over': {
		is: [[], 'active'],
		onRedis: { is: [['1'], 'unknown'], because: 'the check for stalled jobs puts them back' },
		async run(world) {
			const queue = world.queue();
			await queue.add('a', 1);
			const job = await takeOne(world, 'mine', { lockDuration: 20 });
			await new Promise((resolve) => setTimeout(resolve, 40));
			return [await queue.clean(0, 10, 'active'), await job.getState()];
		},
	},
	'clean goes by the time of the add': {
		is: [[], ['1']],
		onRedis: { is: [['1'], []], because: 'a payload need not be read for it' },
		async run(world) {
			const queue = world.queue();
			await queue.add('a', 1, { delay: 3 * HOUR, timestamp: Date.now() - HOUR });
			const early = await queue.clean(HOUR / 2, 10, 'delayed');
			let late: string[] = [];
			while (!early.length && !late.length) // until it is older than nothing
				late = await queue.clean(0, 10, 'delayed');
			return [early, late];
		},
	},
	'a result above 1 MiB is kept, and null in events': {
		is: [LONG.length, true],
		onRedis: { is: [LONG.length, false], because: 'events are bounded' },
		async run(world) {
			const queue = world.queue(), events = await world.events({ lastEventId: '0' });
			const told = heard(events, 'completed');
			await queue.add('a', 1);
			await (await takeOne(world)).moveToCompleted(LONG, 'mine', false);
			const [[{ returnvalue }]] = await told as [[{ returnvalue: unknown }]];
			return [((await queue.getJob('1'))!.returnvalue as string).length, returnvalue === null];
		},
	},
	'a stack above 16 KiB is cut': {
		is: [true, true],
		onRedis: { is: [true, false], because: 'it is bounded' },
		async run(world) {
			const queue = world.queue();
			await queue.add('a', 1);
			await (await takeOne(world)).moveToFailed(Object.assign(new Error('no'), { stack: STACK }), 'mine', false);
			const [stack] = (await queue.getJob('1'))!.stacktrace as string[];
			return [stack!.startsWith('Error: no\n    at somewhere'), stack!.length < STACK.length];
		},
	},
	'ends are counted by the minute, whoever asked for it': {
		is: 1,
		onRedis: { is: 0, because: 'they are counted at once' },
		async run(world) {
			const queue = world.queue();
			await queue.add('a', 1);
			const worker = world.worker(async () => 1);
			await heard(worker, 'completed');
			await until(async () => await queue.getCompletedCount() === 1);
			return (await queue.getMetrics('completed')).meta.count;
		},
	},
});
