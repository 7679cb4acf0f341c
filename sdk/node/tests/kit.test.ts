import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { Ruche, UnreachableError } from 'ruche';
import { startRuche } from 'ruche/test';

test('each daemon has its own empty store and is gone after stop', { timeout: 60_000 }, async () => {
	const [one, two] = await Promise.all([startRuche(), startRuche()]);
	assert.notEqual(one.url, two.url);
	await one.ruche.queue('q').enqueue(1);
	assert.equal((await two.ruche.stats()).version, (await one.ruche.stats()).version);
	for await (const queue of two.ruche.queues())
		assert.fail(`a queue that nobody made: ${queue.name}`);
	await one.stop();
	await two.stop();
	assert.equal(existsSync(one.directory), false);
	await assert.rejects(new Ruche({ url: one.url, patienceMs: 1 }).stats(), UnreachableError);
});

test('kill and restart keep the address and what is on disk', { timeout: 60_000 }, async () => {
	const server = await startRuche();
	const job = await server.ruche.queue('q').enqueue(1);
	await server.kill();
	await server.restart();
	assert.equal((await job.get()).state, 'waiting');
	await server[Symbol.asyncDispose]();
});

test('ended says why a job has not ended', { timeout: 60_000 }, async () => {
	const server = await startRuche();
	const job = await server.ruche.queue('q').enqueue(1);
	await assert.rejects(server.ended(job, 20), /has not ended within 20 ms: it is waiting: .*worker/i);
	await server.stop();
});

test('a binary that is not there, or does not start, is told', { timeout: 60_000 }, async () => {
	await assert.rejects(startRuche({ binary: '/nowhere/ruche' }), /'\/nowhere\/ruche' cannot be run .*RUCHE_BIN/);
	await assert.rejects(startRuche({ args: ['--no-such-flag'] }), /ended at once \(exit code \d+\); it said:\n.*no-such-flag/s);
});
