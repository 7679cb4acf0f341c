import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startRuche } from 'ruche/test';
import { Proxy } from './proxy.js';
import { Gate } from './waiting.js';
import { through } from './through.js';

const server = await startRuche();
const { ruche } = server;
after(() => server.stop());

async function until(what: () => Promise<boolean>): Promise<void> {
	while (!await what())
		await new Promise((resolve) => setTimeout(resolve, 10));
}

test('who works is listed, once for each queue, until it is closed', async () => {
	const worker = ruche.worker(['urgent', 'mail'], () => undefined);
	await until(async () => (await ruche.workers()).length === 2);
	const all = await ruche.workers();
	assert.deepEqual(all.map(({ queue, name, kind, namespace }) => [queue, name, kind, namespace]).sort(),
		[['mail', worker.name, 'worker', 'default'], ['urgent', worker.name, 'worker', 'default']]);
	assert.deepEqual((await ruche.workers({ queue: 'mail' })).map(({ id }) => id), [`${worker.name}.2`]);
	await worker.close();
	assert.deepEqual(await ruche.workers(), []);
});

test('a worker that ends while it is told for the first time is not listed', async (t) => {
	const proxy = await Proxy.before(server.url, t);
	await through(proxy).worker('brief', () => undefined).close();
	assert.deepEqual(await ruche.workers({ queue: 'brief' }), []);
});

test('a worker closes also when there is nobody to tell', async () => {
	const own = await startRuche();
	const running = new Gate(), end = new Gate();
	const worker = own.ruche.worker('mail', async () => {
		running.open();
		await end.passed;
	});
	worker.on('error', () => undefined); // of its claims
	await own.ruche.queue('mail').enqueue(1);
	await running.passed;
	await until(async () => (await own.ruche.workers()).length === 1);
	await own.kill();
	end.open();
	await worker.close({ deadlineMs: 0 });
	await own.stop();
});
