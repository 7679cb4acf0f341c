// Deduplication in all its modes.
import type { Job } from 'bullmq';
import { cases, heard, takeOne, until } from './world.js';

cases('deduplication', {
	'while unfinished': {
		is: ['1', '1', '1', '1', null, true],
		async run(world) {
			const queue = world.queue();
			const opts = { deduplication: { id: 'k' } };
			const a = await queue.add('a', 1, opts), b = await queue.add('b', 2, opts);
			const owner = await queue.getDeduplicationJobId('k');
			const job = await takeOne(world);
			const active = await queue.add('c', 3, opts);
			await job.moveToCompleted(1, 'mine', false);
			const after = await queue.getDeduplicationJobId('k');
			return [a.id, b.id, owner, active.id, after, (await queue.add('d', 4, opts)).id !== a.id];
		},
	},
	'for a time, also when it ended': {
		is: ['1', '1', true],
		async run(world) {
			const queue = world.queue();
			const long = { deduplication: { id: 'long', ttl: 600_000 } }, short = { deduplication: { id: 'short', ttl: 50 } };
			const a = await queue.add('a', 1, long);
			const job = await takeOne(world);
			await job.moveToCompleted(1, 'mine', false);
			const b = await queue.add('b', 2, long);
			const c = await queue.add('c', 3, short);
			await until(async () => await queue.getDeduplicationJobId('short') === null);
			const d = await queue.add('d', 4, short);
			return [a.id, b.id, c.id !== d.id];
		},
	},
	'an ignored add begins the time anew': {
		is: ['1', '1', true],
		async run(world) {
			const queue = world.queue(), SOON = 1_000;
			const [a, b] = await queue.addBulk([ // at once: each second one comes within the time of the first
				{ id: 'k', ttl: SOON }, { id: 'k', ttl: 60_000, extend: true }, { id: 'not extended', ttl: SOON }, { id: 'not extended', ttl: 60_000 },
			].map((deduplication) => ({ name: 'a', data: 1, opts: { deduplication } }))) as [Job, Job];
			await until(async () => await queue.getDeduplicationJobId('not extended') === null); // its time was not begun anew, and is over
			const c = await queue.add('c', 3, { deduplication: { id: 'k', ttl: 60_000, extend: true } });
			return [a.id, b.id, c.id === a.id];
		},
	},
	'replaced while delayed': {
		is: [[['last', 3]], 1],
		async run(world) {
			const queue = world.queue();
			const opts = { delay: 60_000, deduplication: { id: 'k', ttl: 60_000, extend: true, replace: true } };
			await queue.add('first', 1, opts);
			await queue.add('second', 2, opts);
			await queue.add('last', 3, opts);
			const all = await queue.getDelayed();
			return [all.map((job) => [job.name, job.data as number]), await queue.count()];
		},
	},
	'the last one while one runs': {
		is: [['first', 'last'], null],
		async run(world) {
			const queue = world.queue();
			const opts = { deduplication: { id: 'k', keepLastIfActive: true } };
			const seen: string[] = [];
			const worker = world.worker(async (job: Job) => {
				seen.push(job.name);
				if (job.name === 'first')
					for (const name of ['second', 'third', 'last'])
						await queue.add(name, 1, opts);
			});
			const done = heard(worker, 'completed', 2);
			await queue.add('first', 1, opts);
			await done;
			return [seen, await queue.getDeduplicationJobId('k')];
		},
	},
	'the key is let go': {
		is: [1, null, 0, true, false],
		async run(world) {
			const queue = world.queue();
			const opts = { deduplication: { id: 'k' } };
			await queue.add('a', 1, opts);
			const freed = await queue.removeDeduplicationKey('k');
			const owner = await queue.getDeduplicationJobId('k');
			const again = await queue.removeDeduplicationKey('k');
			const job = await queue.add('b', 1, { deduplication: { id: 'other' } });
			return [freed, owner, again, await job.removeDeduplicationKey(), await job.removeDeduplicationKey()];
		},
	},
	'a removed owner lets it go': {
		is: [null],
		async run(world) {
			const queue = world.queue();
			const job = await queue.add('a', 1, { deduplication: { id: 'k', ttl: 60_000 } });
			await job.remove();
			return [await queue.getDeduplicationJobId('k')];
		},
	},
	'its events': {
		is: [{ jobId: '1', deduplicationId: 'k', deduplicatedJobId: 'late' }],
		async run(world) {
			const queue = world.queue(), events = await world.events({ lastEventId: '0' });
			const told = heard(events, 'deduplicated');
			await queue.add('a', 1, { deduplication: { id: 'k' } });
			await queue.add('b', 1, { jobId: 'late', deduplication: { id: 'k' } });
			return [(await told)[0]![0]];
		},
	},
});
