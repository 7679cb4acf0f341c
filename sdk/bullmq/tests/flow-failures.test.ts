// What a child's failure means to its parent; detaching, removing and retrying in a flow.
import { UnrecoverableError, type Job, type JobsOptions } from 'bullmq';
import { cases, heard, refusal, takeOne, until, type World } from './world.js';

/** A parent of children a, b, …, the first of which has these options. */
async function family(world: World, options: JobsOptions, names = ['a', 'b'], opts: JobsOptions = {}): Promise<Job> {
	const { job } = await world.flows().add({
		name: 'root', queueName: 'parents', opts: { jobId: 'root', ...opts },
		children: names.map((name, i) => ({ name, queueName: 'q', opts: { jobId: name, ...(i === 0 ? options : {}) } })),
	});
	return job;
}

/** The next job of a queue fails for good. */
async function fail(world: World, reason = 'no', name = 'q'): Promise<Job> {
	const job = await takeOne(world, 't', {}, name);
	await job.moveToFailed(new UnrecoverableError(reason), 't', false);
	return job;
}

async function end(world: World, name = 'q'): Promise<Job> {
	const job = await takeOne(world, 't', {}, name);
	await job.moveToCompleted('done', 't', false);
	return job;
}

/** Keys without the case's own prefix. */
function bare(world: World, value: unknown): unknown {
	return JSON.parse(JSON.stringify(value ?? null).replaceAll(`${world.prefix}:`, ''));
}

cases('flows and failures', {
	'without a word a parent waits for a child that failed, until that is retried': {
		is: ['waiting-children', { processed: 1, unprocessed: 1, ignored: 0, failed: 0 }, 'waiting-children', 'waiting'],
		async run(world) {
			const root = await family(world, {});
			const child = await fail(world);
			await end(world);
			const seen: unknown[] = [await root.getState(), await root.getDependenciesCount()];
			await child.retry();
			seen.push(await root.getState());
			await end(world);
			return [...seen, await root.getState()];
		},
	},
	'failParentOnFailure: the parent fails when a worker takes it, without running': {
		is: ['waiting', 'child q:a failed', 'failed', 'child q:a failed', [], { failed: 1, unprocessed: 1 }, ['q:a'], 1],
		async run(world) {
			const root = await family(world, { failParentOnFailure: true });
			await fail(world);
			const before = (await world.queue('parents').getJob('root'))!;
			const seen: unknown[] = [await root.getState(), before.deferredFailure];
			const ran: string[] = [];
			const worker = world.worker(async (job: Job) => ran.push(job.name), {}, 'parents');
			await heard(worker, 'failed');
			const after = (await world.queue('parents').getJob('root'))!;
			const { failed } = await after.getDependencies();
			return bare(world, [...seen, await after.getState(), after.failedReason, ran,
				await after.getDependenciesCount({ failed: true, unprocessed: true }), failed, after.attemptsMade]) as unknown[];
		},
	},
	'failParentOnFailure goes upwards where the parent says so too': {
		is: ['child q:leaf failed', 'child parents:middle failed'],
		async run(world) {
			await world.flows().add({
				name: 'top', queueName: 'tops', opts: { jobId: 'top' },
				children: [{
					name: 'middle', queueName: 'parents', opts: { jobId: 'middle', failParentOnFailure: true },
					children: [{ name: 'leaf', queueName: 'q', opts: { jobId: 'leaf', failParentOnFailure: true } }],
				}],
			});
			const middle = heard(world.worker(async () => 1, {}, 'parents'), 'failed'), top = heard(world.worker(async () => 1, {}, 'tops'), 'failed');
			await fail(world);
			const reasons = (await Promise.all([middle, top])).map(([args]) => (args![1] as Error).message);
			return bare(world, reasons);
		},
	},
	'failParentOnFailure: only the last attempt counts': {
		is: ['waiting-children', 'waiting'],
		async run(world) {
			const root = await family(world, { failParentOnFailure: true, attempts: 2 }, ['a']);
			const once = await takeOne(world, 't');
			await once.moveToFailed(new Error('once'), 't', false);
			const before = await root.getState();
			await (await takeOne(world, 't')).moveToFailed(new Error('twice'), 't', false);
			return [before, await root.getState()];
		},
	},
	'failParentOnFailure: a delayed parent is taken out of its delay': {
		is: ['delayed', 'waiting', 'child q:b failed'],
		async run(world) {
			const root = await family(world, {}, ['a'], { delay: 60_000 });
			await end(world);
			const before = await root.getState();
			await world.queue().add('b', 1, { jobId: 'b', failParentOnFailure: true, parent: { id: 'root', queue: `${world.prefix}:parents` } });
			await fail(world);
			const after = (await world.queue('parents').getJob('root'))!;
			return bare(world, [before, await after.getState(), after.deferredFailure]);
		},
	},
	'failParentOnFailure: a running parent can neither complete nor wait': {
		is: [{ message: 'Cannot complete job r because it has at least one failed child. moveToFinished', code: -9 },
			{ message: 'Cannot complete job r because it has at least one failed child. moveToWaitingChildren', code: -9 }, 'active',
			'Cannot complete job again because it has at least one failed child. moveToFinished', 1],
		async run(world) {
			const parents = world.queue('parents'), queue = world.queue();
			await parents.add('r', 1, { jobId: 'r' });
			const job = await takeOne(world, 't', {}, 'parents');
			const child = (id: string) => queue.add('c', 1, { failParentOnFailure: true, parent: { id, queue: `${world.prefix}:parents` } });
			await child('r');
			await fail(world);
			const refused = [await refusal(job.moveToCompleted(1, 't', false)), await refusal(job.moveToWaitingChildren('t')), await job.getState()];
			const worker = world.worker(async (each: Job) => {
				await child(each.id!);
				await fail(world);
			}, {}, 'parents');
			const failed = heard(worker, 'failed');
			await parents.add('again', 1, { jobId: 'again', attempts: 3 });
			await failed;
			const after = (await parents.getJob('again'))!;
			return [...refused, after.failedReason, after.attemptsMade];
		},
	},
	'a retried child is waited for again; its parent, retried, completes after it': {
		is: ['failed', { failed: 1, unprocessed: 0 }, { failed: 0, unprocessed: 1 }, { message: 'Job root has pending dependencies. moveToFinished', code: -4 },
			'completed', { processed: 1, failed: 0 }],
		async run(world) {
			const root = await family(world, { failParentOnFailure: true }, ['a']);
			const child = await fail(world);
			const counts = (): Promise<unknown> => root.getDependenciesCount({ failed: true, unprocessed: true });
			await (await takeOne(world, 't', {}, 'parents')).moveToFailed(new Error('deferred'), 't', false);
			const seen: unknown[] = [await root.getState(), await counts()];
			await child.retry();
			seen.push(await counts());
			await root.retry();
			const again = await takeOne(world, 't', {}, 'parents');
			seen.push(await refusal(again.moveToCompleted(1, 't', false)));
			await end(world);
			await again.moveToCompleted(1, 't', false);
			return [...seen, await root.getState(), await root.getDependenciesCount({ processed: true, failed: true })];
		},
	},
	'a parent whose child stays failed cannot complete when it is retried': {
		is: { message: 'Cannot complete job root because it has at least one failed child. moveToFinished', code: -9 },
		async run(world) {
			const root = await family(world, { failParentOnFailure: true }, ['a']);
			await fail(world);
			await (await takeOne(world, 't', {}, 'parents')).moveToFailed(new Error('deferred'), 't', false);
			await root.retry();
			const again = await takeOne(world, 't', {}, 'parents');
			return refusal(again.moveToCompleted(1, 't', false));
		},
	},
	'continueParentOnFailure: the parent runs at once, and may drop the others': {
		is: ['waiting', { 'q:a': 'no' }, { unprocessed: 2, ignored: 1 }, 'active', { unprocessed: 1, ignored: 1 }, ['active', 'unknown', 'failed'], 'completed'],
		async run(world) {
			const root = await family(world, { continueParentOnFailure: true }, ['a', 'b', 'c']);
			await fail(world);
			const seen: unknown[] = [await root.getState(), bare(world, await root.getFailedChildrenValues()),
				await root.getDependenciesCount({ unprocessed: true, ignored: true })];
			const running = await takeOne(world, 't', {}, 'parents');
			const busy = await takeOne(world, 'mine');
			await running.removeUnprocessedChildren();
			const queue = world.queue();
			seen.push(await running.getState(), await root.getDependenciesCount({ unprocessed: true, ignored: true }),
				await Promise.all(['b', 'c', 'a'].map((id) => queue.getJobState(id))));
			await busy.moveToCompleted(1, 'mine', false);
			await running.moveToCompleted(1, 't', false);
			return [...seen, await root.getState()];
		},
	},
	'ignoreDependencyOnFailure: the parent waits for the others, and knows the reason': {
		is: ['waiting-children', 'waiting', { 'q:a': 'no' }, { 'q:b': 'done' }],
		async run(world) {
			const root = await family(world, { ignoreDependencyOnFailure: true });
			await fail(world);
			const before = await root.getState();
			await end(world);
			return [before, await root.getState(), bare(world, await root.getIgnoredChildrenFailures()), bare(world, await root.getChildrenValues())];
		},
	},
	'removeDependencyOnFailure: as if it had never been a child': {
		is: ['waiting', { processed: 0, unprocessed: 0, ignored: 0, failed: 0 }],
		async run(world) {
			const root = await family(world, { removeDependencyOnFailure: true }, ['a']);
			await fail(world);
			return [await root.getState(), await root.getDependenciesCount()];
		},
	},
	'an ignored child that is retried is waited for by who has not run yet': {
		is: ['waiting-children', { unprocessed: 2, ignored: 0 }, 'waiting-children', 'waiting'],
		async run(world) {
			const root = await family(world, { ignoreDependencyOnFailure: true });
			const child = await fail(world);
			await child.retry();
			const seen: unknown[] = [await root.getState(), await root.getDependenciesCount({ unprocessed: true, ignored: true })];
			await end(world);
			seen.push(await root.getState());
			await end(world);
			return [...seen, await root.getState()];
		},
	},
	'a completed child that is retried is pending again': {
		is: [{ processed: 1, unprocessed: 1 }, { processed: 0, unprocessed: 2 }],
		async run(world) {
			const root = await family(world, {});
			const child = await end(world);
			const counts = (): Promise<unknown> => root.getDependenciesCount({ processed: true, unprocessed: true });
			const before = await counts();
			await child.retry('completed');
			return [before, await counts()];
		},
	},
	'a failed child that is not kept is not waited for': {
		is: ['waiting', 'unknown'],
		async run(world) {
			const root = await family(world, { removeOnFail: true }, ['a']);
			const worker = world.worker(async () => {
				throw new Error('no');
			});
			await heard(worker, 'failed');
			await until(async () => await root.getState() !== 'waiting-children');
			return [await root.getState(), await world.queue().getJobState('a')];
		},
	},
	'failParentOnFailure: a parent with a delay is taken at once': {
		is: ['waiting', 'child q:a failed'],
		onRedis: { is: ['delayed', 'child q:a failed'], because: 'it will not run' },
		async run(world) {
			const root = await family(world, { failParentOnFailure: true }, ['a'], { delay: 60_000 });
			await fail(world);
			return bare(world, [await root.getState(), (await world.queue('parents').getJob('root'))!.deferredFailure]);
		},
	},
	'a child that had failed before it got its parent': {
		is: ['waiting-children', 'waiting-children', 'waiting'],
		onRedis: { is: ['waiting-children', 'waiting', 'waiting'], because: 'the parent was told of no failure' },
		async run(world) {
			const queue = world.queue();
			await queue.add('a', 1, { jobId: 'a' });
			await fail(world);
			const root = await family(world, { failParentOnFailure: true }, ['a']);
			const child = (await queue.getJob('a'))!;
			const states = [await root.getState()];
			await child.retry('failed');
			await fail(world);
			states.push(await root.getState());
			await child.retry('failed');
			await end(world);
			states.push(await root.getState());
			return states;
		},
	},
	'what a child says of a parent that is none any more': {
		is: [null, null],
		onRedis: { is: ['parents:root', 'parents:root'], because: 'its data are what it was added with' },
		async run(world) {
			const root = await family(world, { removeDependencyOnFailure: true });
			const queue = world.queue();
			await fail(world);
			const forgotten = (await queue.getJob('a'))!.parentKey ?? null;
			await root.remove({ removeChildren: false });
			return bare(world, [forgotten, (await queue.getJob('b'))!.parentKey ?? null]);
		},
	},
	'a child that is detached is no child any more': {
		is: [true, null, null, 'waiting-children', true, 'waiting', 'waiting', false],
		async run(world) {
			const root = await family(world, {});
			const queue = world.queue();
			const child = (await queue.getJob('a'))!;
			const other = (await queue.getJob('b'))!, again = (await queue.getJob('b'))!;
			const seen: unknown[] = [await child.removeChildDependency(), child.parentKey ?? null, (await queue.getJob('a'))!.parentKey ?? null, await root.getState()];
			seen.push(await other.removeChildDependency(), await root.getState(), await child.getState());
			return [...seen, await again.removeChildDependency()];
		},
	},
	'a child whose parent is gone cannot be detached': {
		is: { message: 'Missing key for parent job parents:root. removeChildDependency', code: -5 },
		async run(world) {
			const root = await family(world, {});
			const child = (await world.queue().getJob('a'))!;
			await root.remove({ removeChildren: false });
			return bare(world, await refusal(child.removeChildDependency()));
		},
	},
	'a removed child is not waited for': {
		is: ['waiting-children', 'waiting'],
		async run(world) {
			const root = await family(world, {});
			const queue = world.queue();
			await queue.remove('a');
			const before = await root.getState();
			await queue.remove('b');
			return [before, await root.getState()];
		},
	},
	'a parent is removed with its children, or without': {
		is: [['unknown', 'unknown', 'unknown'], ['unknown', 'waiting', 'waiting']],
		async run(world) {
			const seen: unknown[] = [];
			for (const removeChildren of [true, false]) {
				const root = await family(world, {});
				if (removeChildren)
					await end(world);
				await root.remove({ removeChildren });
				const queue = world.queue();
				seen.push([await root.getState(), await queue.getJobState('a'), await queue.getJobState('b')]);
			}
			return seen;
		},
	},
	'nothing is removed while a child runs': {
		is: [{ message: 'Job root could not be removed because it is locked by another worker' }, 0, 'waiting-children', ['active', 'waiting']],
		async run(world) {
			const root = await family(world, {});
			await takeOne(world);
			const refused = await refusal(root.remove());
			const queue = world.queue();
			return [refused, await world.queue('parents').remove('root'), await root.getState(),
				[await queue.getJobState('a'), await queue.getJobState('b')]];
		},
	},
	'unprocessed children go, with theirs; a parent that waits for nobody else runs': {
		is: [['unknown', 'unknown', 'unknown'], 'waiting'],
		async run(world) {
			const { job } = await world.flows().add({
				name: 'root', queueName: 'parents', opts: { jobId: 'root' },
				children: [{ name: 'a', queueName: 'q', opts: { jobId: 'a' } },
					{ name: 'm', queueName: 'q', opts: { jobId: 'm' }, children: [{ name: 'b', queueName: 'q', opts: { jobId: 'b' } }] }],
			});
			await job.removeUnprocessedChildren();
			const queue = world.queue();
			return [await Promise.all(['a', 'm', 'b'].map((id) => queue.getJobState(id))), await job.getState()];
		},
	},
	'events of a parent that fails with its child': {
		is: ['waiting-children', 'waiting waiting-children', 'active', 'failed child q:a failed'],
		async run(world) {
			const events = await world.events({}, 'parents');
			const told: string[] = [];
			events.on('waiting-children', () => told.push('waiting-children'));
			events.on('waiting', ({ prev }) => told.push(`waiting ${prev}`));
			events.on('active', () => told.push('active'));
			events.on('failed', ({ failedReason }) => told.push(`failed ${failedReason}`));
			await family(world, { failParentOnFailure: true }, ['a']);
			await fail(world);
			world.worker(async () => 1, {}, 'parents');
			await until(() => told.length === 4);
			return bare(world, told);
		},
	},
	'waitUntilFinished of a parent that fails with its child': {
		is: { message: 'child q:a failed' },
		async run(world) {
			const events = await world.events({}, 'parents');
			const root = await family(world, { failParentOnFailure: true }, ['a']);
			world.worker(async () => 1, {}, 'parents');
			const waited = refusal(root.waitUntilFinished(events));
			await fail(world);
			return bare(world, await waited);
		},
	},
});
