import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { BusyError, ConflictError, InvalidFieldError, NonRetryableError } from 'ruche';
import { startRuche } from 'ruche/test';
import { Proxy } from './proxy.js';
import { through } from './through.js';
import { rows } from './waiting.js';

const server = await startRuche({ client: { heartbeatMs: 50 } });
const { ruche } = server;
after(() => server.stop());

test('a tree is enqueued at once, worked off from its leaves on, and gives its parents the results', async () => {
	const pages = ruche.worker<{ page: number }>('pages', (job) => ({ text: `page ${job.payload.page}`, camelCase_too: 1 }));
	const reports = ruche.worker('reports', async (_job, { children }) => (await children<{ text: string }>()).map(({ id, state, value }) => [id, state, value]));
	const tree = await ruche.enqueueTree({
		queue: 'reports', payload: { year: 2026 }, id: 'report',
		children: [{ queue: 'pages', id: 'p1', payload: { page: 1 } }, { queue: 'pages', id: 'p2', payload: { page: 2 }, onFailure: 'ignore' }],
	});
	assert.deepEqual([tree.job.state, tree.children.map(({ job }) => job.state)], ['waiting_children', ['waiting', 'waiting']]);
	assert.deepEqual(await tree.job.result(), [['p1', 'done', { text: 'page 1', camelCase_too: 1 }], ['p2', 'done', { text: 'page 2', camelCase_too: 1 }]]);
	const child = await tree.children[1]!.job.get();
	assert.deepEqual(child.parents, [{ uid: tree.job.uid, id: 'report', queue: 'reports', namespace: 'default', onFailure: 'ignore', state: 'done' }]);
	assert.deepEqual((await rows(tree.job.children({ state: 'pending' }))).length, 0);
	const again = await ruche.enqueueTree({ queue: 'reports', id: 'report', children: [{ queue: 'pages', id: 'p1' }] });
	assert.equal(again.job.uid, tree.job.uid);
	await Promise.all([pages.close(), reports.close()]);
});

test('a handler adds children, awaits them, and is called again', async () => {
	const seen: unknown[] = [];
	const parts = ruche.queue<number, number>('parts');
	const part = ruche.worker(parts, (job) => job.payload * 2);
	const whole = ruche.worker('wholes', async (job, { awaitChildren, children }) => {
		seen.push([job.attempt, await awaitChildren()]);
		if (job.attempt > 1)
			return (await children<number>()).map(({ value }) => value).reduce((a, b) => a + b);
		await parts.enqueueMany([1, 2, 3].map((payload) => ({ payload, parents: [{ uid: job.uid }] })));
		if (await awaitChildren())
			return 'dropped';
		throw new NonRetryableError('there was nobody to wait for');
	});
	const job = await ruche.queue<null, number>('wholes').enqueue(null);
	assert.equal(await job.result(), 12);
	assert.deepEqual(seen, [[1, false], [2, false]]);
	assert.deepEqual((await job.get()).attemptsMade, 1);
	await Promise.all([part.close(), whole.close()]);
});

test('a result that comes before the children have ended fails the attempt, at once', async () => {
	const hasty = ruche.queue('hasty');
	await hasty.configure({ retry: { kind: 'fixed', delayMs: 1, maxAttempts: 2, jitter: 'none' }, leaseMs: 600_000 });
	const worker = ruche.worker(hasty, async (job) => {
		await ruche.queue('parts').enqueue(1, { id: 'slow', parents: [{ uid: job.uid }] });
		return 'too early';
	});
	const job = await hasty.enqueue(null);
	const view = await job.ended();
	assert.deepEqual([view.state, view.attemptsMade, view.stalls], ['failed', 2, 0]);
	assert.match(view.error!.message!, /children/i);
	await worker.close();
});

test('a tree is cancelled, retried and deleted as a whole', async () => {
	const node = (name: string) => ({ queue: 'nodes', id: name });
	const tree = await ruche.enqueueTree({ ...node('root'), children: [{ ...node('a'), children: [node('a1')] }, node('b')] });
	const all = [tree.job, tree.children[0]!.job, tree.children[0]!.children[0]!.job, tree.children[1]!.job];
	const states = (): Promise<string[]> => Promise.all(all.map(async (job) => (await job.get()).state));
	assert.equal((await tree.job.cancel('enough', { tree: true })).count, 4);
	assert.deepEqual(await states(), ['cancelled', 'cancelled', 'cancelled', 'cancelled']);
	await assert.rejects(tree.job.cancel('again', { tree: true }), ConflictError);
	assert.equal((await tree.job.retry({ tree: true })).count, 4);
	assert.deepEqual(await states(), ['waiting_children', 'waiting_children', 'waiting', 'waiting']);
	assert.equal(await tree.children[1]!.job.detach(tree.job), true);
	assert.equal(await tree.job.deleteChildren(), 2);
	assert.equal((await tree.job.get()).state, 'waiting');
	await tree.job.delete({ children: 'delete' });
	assert.equal(await ruche.queue('nodes').count(), 1);
});

test('what is wrong with a job of a tree is named as the caller did, and nothing is added', async () => {
	const leaf = { queue: 'refused', priority: -1 };
	for (const [tree, field] of [
		[{ ...leaf, children: [{ queue: 'refused' }] }, 'priority'],
		[{ queue: 'refused', children: [{ queue: 'refused' }, leaf] }, 'children[1].priority'],
		[{ queue: 'refused', children: [{ queue: 'refused' }, { queue: 'refused', children: [leaf] }] }, 'children[1].children[0].priority'],
	] as const)
		await assert.rejects(ruche.enqueueTree(tree), (error: InvalidFieldError) =>
			error instanceof InvalidFieldError && error.field === field && error.message.startsWith(`${field}: `) && error.status === 422);
	assert.deepEqual((await rows(ruche.queues())).filter(({ name }) => name === 'refused'), []);
});

test('a job of a tree that is refused as a whole is named by its place alone', async (t) => {
	const proxy = await Proxy.before(server.url, t);
	let at = 1;
	proxy.answer = () => ({ status: 503, body: JSON.stringify({ type: 'x', title: 'x', status: 503, code: 'backlog_full', detail: 'It is full.', field: `ops[${at}]` }) });
	const client = through(proxy, { patienceMs: 1 }), tree = { queue: 'full', children: [{ queue: 'full' }] };
	await assert.rejects(client.enqueueTree(tree), (error: BusyError) => error instanceof BusyError && error.field === 'children[0]' && error.message.startsWith('children[0]: '));
	at = 0;
	await assert.rejects(client.enqueueTree(tree), (error: BusyError) => error instanceof BusyError && error.field === undefined && error.message.startsWith('It is full.'));
});
