// Flows: trees, their states and orders, children's values, children added while the parent runs.
import { WaitingChildrenError, type Job } from 'bullmq';
import { cases, heard, ids, refusal, takeOne, until, type World } from './world.js';

/** Ends the next job of a queue by hand. */
async function end(world: World, name: string, result: unknown): Promise<Job> {
	const job = await takeOne(world, 't', {}, name);
	await job.moveToCompleted(result, 't', false);
	return job;
}

function family(world: World) {
	return world.flows().add({
		name: 'root', queueName: 'parents', data: { root: 1 }, opts: { jobId: 'root' },
		children: [
			{ name: 'a', queueName: 'q', data: { a: 1 }, opts: { jobId: 'a' } },
			{ name: 'b', queueName: 'q', data: { b: 1 }, opts: { jobId: 'b' } },
		],
	});
}

/** Keys without the case's own prefix. */
function bare(world: World, value: unknown): unknown {
	return JSON.parse(JSON.stringify(value ?? null).replaceAll(`${world.prefix}:`, ''));
}

/** A parent and so many children. */
function brood(world: World, count: number): ReturnType<typeof family> {
	return world.flows().add({
		name: 'r', queueName: 'parents', children: Array.from({ length: count }, (_, i) => ({ name: 'a', queueName: 'q', opts: { jobId: `c${i}` } })),
	});
}

cases('flows', {
	'a parent waits for its children, and has their values': {
		is: ['waiting-children', ['waiting', 'waiting'], 'waiting-children', 'waiting', { 'q:a': 'one', 'q:b': { two: 2 } }, 'completed'],
		async run(world) {
			const tree = await family(world);
			const root = tree.job, children = tree.children!.map(({ job }) => job);
			const seen: unknown[] = [await root.getState(), await Promise.all(children.map((job) => job.getState()))];
			await end(world, 'q', 'one');
			seen.push(await root.getState());
			await end(world, 'q', { two: 2 });
			seen.push(await root.getState(), bare(world, await root.getChildrenValues()));
			await end(world, 'parents', 'all');
			return [...seen, await root.getState()];
		},
	},
	'a tree of three levels is worked off by workers, from the leaves on': {
		is: [['leaf', 'leaf', 'middle', 'root'], { 'parents:middle': [1, 2] }, [1, 2]],
		async run(world) {
			const order: string[] = [];
			const work = async (job: Job): Promise<unknown> => {
				order.push(job.name);
				return job.name === 'leaf' ? job.data as unknown : Object.values(await job.getChildrenValues()).flat().sort();
			};
			const top = world.worker(work, {}, 'parents');
			world.worker(work);
			const done = new Promise<Job>((resolve) => top.on('completed', (job) => job.name === 'root' && resolve(job)));
			await world.flows().add({
				name: 'root', queueName: 'parents', opts: { jobId: 'root' },
				children: [{
					name: 'middle', queueName: 'parents', opts: { jobId: 'middle' },
					children: [{ name: 'leaf', queueName: 'q', data: 1 }, { name: 'leaf', queueName: 'q', data: 2 }],
				}],
			});
			const root = await done;
			return [order, bare(world, await root.getChildrenValues()), root.returnvalue];
		},
	},
	'a parent with a delay is delayed when its children are done, one with a priority is prioritized': {
		is: ['waiting-children', 'delayed', 'prioritized'],
		async run(world) {
			const states: string[] = [];
			for (const opts of [{ delay: 60_000 }, { priority: 4 }]) {
				const { job } = await world.flows().add({ name: 'r', queueName: 'parents', opts, children: [{ name: 'a', queueName: 'q' }] });
				if (!states.length)
					states.push(await job.getState());
				await end(world, 'q', 1);
				states.push(await job.getState());
			}
			return states;
		},
	},
	'a parent that woke goes before others, one with a priority behind its equals': {
		is: ['woken', 'first', 'p1', 'p1 woken'],
		async run(world) {
			const queue = world.queue('parents');
			const flow = (name: string, opts: object) =>
				world.flows().add({ name, queueName: 'parents', opts, children: [{ name: 'a', queueName: 'q' }] });
			await flow('woken', {});
			await flow('p1 woken', { priority: 1 });
			await queue.add('first', 1);
			await queue.add('p1', 1, { priority: 1 });
			await end(world, 'q', 1);
			await end(world, 'q', 1);
			const names: string[] = [];
			for (let i = 0; i < 4; i++)
				names.push((await end(world, 'parents', 1)).name);
			return names;
		},
	},
	'what a job says of its parent': {
		is: [{ id: 'root', queueKey: 'parents' }, 'parents:root', { id: 'root', queueKey: 'parents' }, 'parents:root', null],
		async run(world) {
			await family(world);
			const child = (await world.queue().getJob('a'))!;
			const taken = await takeOne(world);
			const root = (await world.queue('parents').getJob('root'))!;
			return bare(world, [child.parent, child.parentKey, taken.parent, taken.parentKey, root.parent ?? null]);
		},
	},
	'getters of waiting-children': {
		is: [1, { 'waiting-children': 1, waiting: 0 }, ['root'], true, 1, { job: 'root', children: ['a', 'b'] }],
		async run(world) {
			const { job } = await family(world);
			const queue = world.queue('parents');
			const flow = await world.flows().getFlow({ id: 'root', queueName: 'parents', prefix: world.prefix });
			return [await queue.getWaitingChildrenCount(), await queue.getJobCounts('waiting-children', 'waiting'),
				ids(await queue.getWaitingChildren()), await job.isWaitingChildren(), await queue.count(),
				{ job: flow.job.id, children: ids(flow.children!.map((node) => node.job)).sort() }];
		},
	},
	'dependencies by what became of them': {
		is: [{ processed: 1, unprocessed: 1, ignored: 1, failed: 0 }, { unprocessed: 1 }, { 'q:a': 'done' }, ['q:c'], { 'q:b': 'no' }, [], { 'q:b': 'no' },
			{ items: [{ id: 'q:a', v: 'done' }], jobs: ['a'], total: 1 }, { items: [{ id: 'q:c' }], jobs: ['c'], total: 1 }],
		async run(world) {
			const { job } = await world.flows().add({
				name: 'r', queueName: 'parents', opts: { jobId: 'r' },
				children: ['a', 'b', 'c'].map((id) => ({ name: id, queueName: 'q', opts: { jobId: id, ignoreDependencyOnFailure: true } })),
			});
			await end(world, 'q', 'done');
			await (await takeOne(world, 't')).moveToFailed(new Error('no'), 't', false);
			const { processed, unprocessed, ignored, failed } = await job.getDependencies();
			const queue = world.queue('parents');
			const pages = await Promise.all((['processed', 'pending'] as const).map(async (type) => {
				const { items, jobs, total } = await queue.getDependencies('r', type, 0, -1);
				return { items, jobs: jobs.map((each) => each.name), total };
			}));
			return bare(world, [await job.getDependenciesCount(), await job.getDependenciesCount({ unprocessed: true }), processed, unprocessed, ignored, failed,
				await job.getIgnoredChildrenFailures(), ...pages]);
		},
	},
	'pages of dependencies end': {
		is: [5, 0, ['q:1', 'q:2', 'q:3', 'q:4', 'q:5']],
		async run(world) {
			const { job } = await world.flows().add({
				name: 'r', queueName: 'parents',
				children: Array.from({ length: 5 }, (_, i) => ({ name: 'a', queueName: 'q', opts: { jobId: `c${i + 1}` } })),
			});
			const keys: string[] = [];
			let cursor = 0;
			do {
				const page = await job.getDependencies({ unprocessed: { cursor, count: 2 } });
				keys.push(...page.unprocessed!);
				cursor = page.nextUnprocessedCursor!;
			} while (cursor);
			return [keys.length, cursor, (bare(world, keys) as string[]).sort().map((key) => key.replace('c', ''))];
		},
	},
	'a page of dependencies has as many as it was asked for': {
		is: [20, 7],
		onRedis: { is: [30, 30], because: 'the option means what it says' },
		async run(world) {
			const { job } = await brood(world, 30);
			const worker = world.worker(async () => 1, { concurrency: 10 });
			await heard(worker, 'completed', 30);
			const sizes: number[] = [];
			for (const options of [{}, { count: 7 }])
				sizes.push(Object.keys((await job.getDependencies({ processed: options })).processed!).length);
			return sizes;
		},
	},
	'dependencies are in the order of the adds': {
		is: true,
		onRedis: { is: false, because: 'they are in no order there' },
		async run(world) {
			const { job } = await brood(world, 200);
			const { unprocessed } = await job.getDependencies();
			return (bare(world, unprocessed) as string[]).every((key, i) => key === `q:c${i}`);
		},
	},
	'several trees at once, each with its own': {
		is: [['one', 'two'], ['waiting-children', 'waiting-children'], ['waiting', 'waiting-children']],
		async run(world) {
			const tree = (name: string) => ({ name, queueName: 'parents', opts: { jobId: name }, children: [{ name: 'a', queueName: name }] });
			const trees = await world.flows().addBulk([tree('one'), tree('two')]);
			const roots = trees.map(({ job }) => job);
			const states = async (): Promise<string[]> => Promise.all(roots.map((job) => job.getState()));
			const before = await states();
			await end(world, 'one', 1);
			return [ids(roots), before, await states()];
		},
	},
	'children of other prefixes': {
		is: ['waiting', ['other']],
		async run(world) {
			const other = `${world.prefix}x`;
			const { job } = await world.flows().add({ name: 'r', queueName: 'parents', children: [{ name: 'a', queueName: 'q', prefix: other }] });
			const worker = world.worker(async () => 'other', { prefix: other });
			await heard(worker, 'completed');
			await until(async () => await job.getState() !== 'waiting-children');
			return [await job.getState(), Object.values(await job.getChildrenValues())];
		},
	},
	'a root may hang under a job that is there': {
		is: ['waiting-children', 'waiting', { 'parents:mid': 'm' }],
		async run(world) {
			const { job } = await world.flows().add({ name: 'r', queueName: 'parents', opts: { jobId: 'r' }, children: [{ name: 'a', queueName: 'q' }] });
			await world.flows().add({ name: 'mid', queueName: 'parents', opts: { jobId: 'mid', parent: { id: 'r', queue: `${world.prefix}:parents` } } });
			await end(world, 'q', 1);
			const before = await job.getState();
			await end(world, 'parents', 'm');
			const { processed = {} } = await job.getDependencies();
			return [before, await job.getState(), bare(world, Object.fromEntries(Object.entries(processed).filter(([key]) => key.endsWith(':mid'))))];
		},
	},
	'a parent that is not there': {
		is: [{ message: 'Missing key for parent job parents:none. addJob', code: -5 }, 0, { message: 'Missing key for parent job parents:none. addJob', code: -5 }],
		async run(world) {
			const queue = world.queue();
			const parent = { id: 'none', queue: `${world.prefix}:parents` };
			const refused = await refusal(queue.add('a', 1, { parent }));
			const flow = await refusal(world.flows().add({ name: 'a', queueName: 'q', opts: { parent } }));
			return bare(world, [refused, await queue.count(), flow]);
		},
	},
	'a job has one parent, as long as that is there': {
		is: [{ message: 'The parent job parents:two cannot be replaced. addJob', code: -7 }, 'parents:one', 'parents:two', { unprocessed: ['q:child'] }],
		onOldRedis: {
			is: [{ message: 'The parent job parents:two cannot be replaced. addJob', code: -7 }, 'parents:one', 'parents:one', { unprocessed: [] }],
			because: 'a parent that was removed was not replaced',
		},
		async run(world) {
			const parents = world.queue('parents'), queue = world.queue();
			for (const id of ['one', 'two'])
				await parents.add(id, 1, { jobId: id });
			const parent = (id: string) => ({ jobId: 'child', parent: { id, queue: `${world.prefix}:parents` } });
			await queue.add('child', 1, parent('one'));
			await queue.add('child', 1, parent('one'));
			const refused = await refusal(queue.add('child', 1, parent('two')));
			const before = (await queue.getJob('child'))!.parentKey;
			await parents.remove('one', { removeChildren: false });
			await queue.add('child', 1, parent('two'));
			const after = (await queue.getJob('child'))!.parentKey;
			const { unprocessed } = await (await parents.getJob('two'))!.getDependencies();
			return bare(world, [refused, before, after, { unprocessed }]);
		},
	},
	'a flow is all or nothing': {
		is: [{ message: 'The parent job parents:two cannot be replaced. addJob', code: -7 }, 'unknown', 'unknown'],
		onRedis: { is: ['added', 'waiting-children', 'waiting'], because: 'the other jobs are added, and the parent waits for ever' },
		async run(world) {
			const parents = world.queue('parents'), queue = world.queue();
			await parents.add('one', 1, { jobId: 'one' });
			await queue.add('c', 1, { jobId: 'c', parent: { id: 'one', queue: `${world.prefix}:parents` } });
			const flow = world.flows().add({
				name: 'two', queueName: 'parents', opts: { jobId: 'two' },
				children: [{ name: 'd', queueName: 'q', opts: { jobId: 'd' } }, { name: 'c', queueName: 'q', opts: { jobId: 'c' } }],
			});
			const outcome = await flow.then(() => 'added', (error: Error & { code?: number }) => ({ message: error.message, code: error.code }));
			return bare(world, [outcome, await parents.getJobState('two'), await queue.getJobState('d')]);
		},
	},
	'a child that had completed counts at once': {
		is: ['waiting', { 'q:c': 'early' }],
		async run(world) {
			await world.queue().add('c', 1, { jobId: 'c' });
			await end(world, 'q', 'early');
			const { job } = await world.flows().add({ name: 'r', queueName: 'parents', children: [{ name: 'c', queueName: 'q', opts: { jobId: 'c' } }] });
			return [await job.getState(), bare(world, await job.getChildrenValues())];
		},
	},
	'values stay when children are removed': {
		is: ['waiting', { 'q:c': 'kept' }, 'unknown'],
		async run(world) {
			const { job } = await world.flows().add({
				name: 'r', queueName: 'parents', children: [{ name: 'c', queueName: 'q', opts: { jobId: 'c', removeOnComplete: true } }],
			});
			const worker = world.worker(async () => 'kept');
			await heard(worker, 'completed');
			await until(async () => await job.getState() === 'waiting');
			return [await job.getState(), bare(world, await job.getChildrenValues()), await world.queue().getJobState('c')];
		},
	},
	'a running job adds children and awaits them': {
		is: [['1', '2'], 'waiting-children', { 'q:child': 'value' }, 'completed', [0, 1]],
		async run(world) {
			const seen: string[] = [], made: number[] = [];
			const states: string[] = [];
			const parents = world.queue('parents'), queue = world.queue();
			const top = world.worker(async (job: Job, token) => {
				seen.push(String(job.attemptsStarted));
				made.push(job.attemptsMade);
				if (job.data === 'second')
					return job.getChildrenValues();
				await queue.add('child', 1, { jobId: 'child', parent: { id: job.id!, queue: job.queueQualifiedName } });
				await job.updateData('second');
				if (await job.moveToWaitingChildren(token!)) {
					states.push(await job.getState());
					throw new WaitingChildrenError();
				}
				throw new Error('nothing to wait for');
			}, {}, 'parents');
			const done = heard(top, 'completed');
			const job = await parents.add('r', 'first');
			await until(() => states.length > 0);
			await end(world, 'q', 'value');
			await done;
			const after = (await parents.getJob(job.id!))!;
			return [seen, states[0], bare(world, after.returnvalue), await after.getState(), [made[0], after.attemptsMade]];
		},
	},
	'awaiting children that are done, or none, is nothing; only a named one; without a lock it is refused': {
		is: [false, false, true, 'waiting-children', [{ message: 'Missing lock for job r. moveToWaitingChildren', code: -2 }]],
		async run(world) {
			const parents = world.queue('parents'), queue = world.queue();
			await parents.add('r', 1, { jobId: 'r' });
			const job = await takeOne(world, 't', {}, 'parents');
			const none = await job.moveToWaitingChildren('t');
			const parent = { id: 'r', queue: job.queueQualifiedName };
			await queue.add('a', 1, { jobId: 'a', parent });
			await queue.add('b', 1, { jobId: 'b', parent });
			await end(world, 'q', 1);
			const child = (id: string) => ({ child: { id, queue: `${world.prefix}:q` } });
			return [none, await job.moveToWaitingChildren('t', child('a')), await job.moveToWaitingChildren('t', child('b')), await job.getState(),
				[await refusal(job.moveToWaitingChildren('t'))]];
		},
	},
	'a parent cannot complete before its children': {
		is: [{ message: 'Job r has pending dependencies. moveToFinished', code: -4 }, 'active', 'failed', 'Job r2 has pending dependencies. moveToFinished'],
		async run(world) {
			const parents = world.queue('parents'), queue = world.queue();
			await parents.add('r', 1, { jobId: 'r' });
			const job = await takeOne(world, 't', {}, 'parents');
			await queue.add('a', 1, { parent: { id: 'r', queue: job.queueQualifiedName } });
			const refused = await refusal(job.moveToCompleted(1, 't', false));
			const worker = world.worker(async (each: Job) => queue.add('b', 1, { parent: { id: each.id!, queue: each.queueQualifiedName } }), {}, 'parents');
			const failed = heard(worker, 'failed');
			await parents.add('r2', 1, { jobId: 'r2' });
			await failed;
			const after = (await parents.getJob('r2'))!;
			return [refused, await job.getState(), await after.getState(), after.failedReason];
		},
	},
	'children of a job that waits, or that has ended': {
		is: ['waiting', { unprocessed: 1 }, 'completed', { unprocessed: 1, processed: 0 }, { unprocessed: 0, processed: 1 }],
		async run(world) {
			const parents = world.queue('parents'), queue = world.queue();
			const job = await parents.add('r', 1, { jobId: 'r' });
			const parent = { id: 'r', queue: `${world.prefix}:parents` };
			await queue.add('a', 1, { parent });
			const seen: unknown[] = [await job.getState(), await job.getDependenciesCount({ unprocessed: true })];
			await end(world, 'q', 1);
			await end(world, 'parents', 1);
			seen.push(await job.getState());
			await queue.add('b', 1, { parent });
			const counts = async (): Promise<unknown> => {
				const { unprocessed, processed } = await job.getDependenciesCount();
				return { unprocessed, processed: processed! - 1 };
			};
			seen.push(await counts());
			await end(world, 'q', 2);
			return [...seen, await counts()];
		},
	},
	'events of a flow': {
		is: [['added r', 'waiting-children r ', 'waiting r waiting-children', 'active r', 'completed r'], ['added d', 'waiting-children d ', 'delayed d']],
		async run(world) {
			const events = await world.events({}, 'parents');
			const told: string[] = [];
			const note = (text: string) => told.push(text.replace('undefined', ''));
			events.on('added', ({ jobId }) => note(`added ${jobId}`));
			events.on('waiting-children', (args) => note(`waiting-children ${args.jobId} ${(args as { prev?: string }).prev}`));
			events.on('waiting', ({ jobId, prev }) => note(`waiting ${jobId} ${prev}`));
			events.on('active', ({ jobId }) => note(`active ${jobId}`));
			events.on('delayed', ({ jobId }) => note(`delayed ${jobId}`));
			events.on('completed', ({ jobId }) => note(`completed ${jobId}`));
			const flow = (id: string, opts: object) =>
				world.flows().add({ name: id, queueName: 'parents', opts: { jobId: id, ...opts }, children: [{ name: 'a', queueName: 'q' }] });
			await flow('r', {});
			await end(world, 'q', 1);
			await end(world, 'parents', 1);
			await flow('d', { delay: 60_000 });
			await end(world, 'q', 1);
			await until(() => told.includes('delayed d'));
			return [told.filter((text) => / r\b/.test(text)), told.filter((text) => / d\b/.test(text))];
		},
	},
});
