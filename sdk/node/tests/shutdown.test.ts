import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Ruche, ShuttingDown, type Queue } from 'ruche';
import { startRuche } from 'ruche/test';
import { aborted, Gate } from './waiting.js';

const server = await startRuche();
const { ruche } = server;
after(() => server.stop());

class Program {
	readonly lines: string[] = [];
	readonly #child: ChildProcess;
	readonly #waiting = new Map<string, () => void>();

	constructor(queue: string, how: string) {
		this.#child = spawn(process.execPath, [fileURLToPath(new URL('worker-program.js', import.meta.url)), server.url, queue, how], { stdio: ['ignore', 'pipe', 'inherit'] });
		createInterface(this.#child.stdout!).on('line', (line) => {
			this.lines.push(line);
			this.#waiting.get(line)?.();
		});
	}

	async said(line: string): Promise<void> {
		if (!this.lines.includes(line))
			await new Promise<void>((resolve) => this.#waiting.set(line, resolve));
	}

	/** Sends a signal. */
	kill(signal: NodeJS.Signals): void {
		this.#child.kill(signal);
	}

	/** How it ended: a signal's name or an exit code. */
	async ended(): Promise<string | number> {
		if (this.#child.exitCode === null && this.#child.signalCode === null)
			await once(this.#child, 'exit');
		return this.#child.signalCode ?? this.#child.exitCode!;
	}
}

async function idle(queue: Queue<string>): Promise<[number, number]> {
	const { states } = await queue.stats();
	return [states.active, states.waiting];
}

test('SIGTERM: jobs finish, others are handed back at the deadline at no cost, then the process ends by the signal', { timeout: 60_000 }, async () => {
	const queue = ruche.queue<string, string>('term');
	const [quick, heeds, returns, deaf] = await queue.enqueueMany(['quick', 'heeds', 'returns', 'deaf'].map((payload) => ({ payload })));
	const program = new Program('term', 'default');
	await Promise.all(['quick', 'heeds', 'returns', 'deaf'].map((name) => program.said(`started ${name}`)));
	program.kill('SIGTERM');
	assert.equal(await program.ended(), 'SIGTERM');
	assert.equal(program.lines.filter((line) => line === 'aborted ShuttingDown').length, 3);
	assert.equal(program.lines.at(-1), 'closed');
	assert.equal(await quick!.result(), 'done after the signal');
	assert.equal(await returns!.result(), 'in the last moment');
	for (const job of [heeds!, deaf!]) {
		const view = await job.get();
		assert.deepEqual([view.state, view.attemptsMade, view.stalls], ['waiting', 0, 0]);
	}
});

test('SIGINT does the same; a second signal hurries', { timeout: 60_000 }, async () => {
	const queue = ruche.queue<string>('hurry');
	await queue.enqueue('deaf');
	const program = new Program('hurry', 'patient');
	await program.said('started deaf');
	program.kill('SIGINT');
	await program.said('closing');
	await queue.enqueue('late'); // nobody takes it any more
	program.kill('SIGINT');
	assert.equal(await program.ended(), 'SIGINT');
	assert.ok(!program.lines.includes('started late'));
	assert.deepEqual(await idle(queue), [0, 2]);
});

test('with a listener of the program\'s own the process ends when the program says', { timeout: 60_000 }, async () => {
	const queue = ruche.queue<string>('own');
	await queue.enqueue('deaf');
	const program = new Program('own', 'own-listener');
	await program.said('started deaf');
	program.kill('SIGTERM');
	assert.equal(await program.ended(), 7);
	assert.deepEqual(program.lines.filter((line) => line === 'own listener').length, 1);
	assert.deepEqual(await idle(queue), [0, 1]);
});

test('signals: false leaves the signal alone', { timeout: 60_000 }, async () => {
	const queue = ruche.queue<string>('alone');
	await queue.enqueue('deaf');
	const program = new Program('alone', 'no-signals');
	await program.said('started deaf');
	program.kill('SIGTERM');
	assert.equal(await program.ended(), 'SIGTERM');
	assert.ok(!program.lines.includes('closed'));
});

test('close: the long poll is withdrawn, running jobs end, later ones stay', { timeout: 60_000 }, async () => {
	const queue = ruche.queue<string, string>('close');
	const started = new Gate(), gate = new Gate();
	const worker = ruche.worker(queue, async () => {
		started.open();
		await gate.passed;
		return 'ended';
	}, { concurrency: 3 });
	const job = await queue.enqueue('x');
	await started.passed;
	const closed = worker.close();
	const later = await queue.enqueue('later');
	gate.open();
	await closed;
	assert.equal((await job.get()).state, 'completed');
	assert.equal((await later.get()).state, 'waiting');
	assert.equal((await queue.stats()).waiters, 0);
	await worker.close(); // again: nothing
});

test('close with a deadline of 0 fires ShuttingDown at once; await using closes', { timeout: 60_000 }, async () => {
	const queue = ruche.queue<string>('at-once');
	const started = new Gate(), reason = new Gate<unknown>();
	const worker = ruche.worker(queue, (_, { signal }) => {
		started.open();
		return aborted(signal).catch((cause: unknown) => {
			reason.open(cause);
			throw cause;
		});
	});
	const job = await queue.enqueue('x');
	await started.passed;
	await worker.close({ deadlineMs: 0 });
	assert.ok(await reason.passed instanceof ShuttingDown);
	const view = await job.get();
	assert.deepEqual([view.state, view.attemptsMade, view.stalls], ['waiting', 0, 0]);
	const client = new Ruche({ url: server.url });
	const next = client.worker(queue, () => 'next');
	assert.equal(await job.result(), 'next');
	await client[Symbol.asyncDispose]();
	await next.close();
	assert.equal(process.listenerCount('SIGTERM'), 0);
});

test('close while the daemon is down ends all the same', { timeout: 60_000 }, async () => {
	const own = await startRuche();
	const queue = own.ruche.queue<string>('down');
	const started = new Gate();
	const worker = own.ruche.worker(queue, () => {
		started.open();
		return new Promise(() => undefined);
	}, { graceMs: 1 });
	worker.on('error', () => undefined);
	await queue.enqueue('x');
	await started.passed;
	await own.kill();
	await worker.close({ deadlineMs: 0 });
	await own.stop();
});
