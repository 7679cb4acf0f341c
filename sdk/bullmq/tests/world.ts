// Where a case runs: BullMQ on Ruche, and when REDIS=1 on a real Redis too. Both must do the same.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { deepEqual } from 'node:assert/strict';
import { FlowProducer, Queue, QueueEvents, QueueEventsProducer, Worker, type Job, type Processor, type QueueOptions, type WorkerOptions } from 'bullmq';
import { createRucheBackend } from '@ruche/bullmq';

const OLDEST = process.env['BULLMQ_OLDEST'] === '1';
export const WITH_REDIS = process.env['REDIS'] === '1';
const START_MS = 30_000, CASE_MS = 60_000;

/** A server process of a test file, and how to reach it. */
export interface Server {
	readonly connection: string | { host: string; port: number };
	stop(): Promise<void>;
	kill(): Promise<void>;
	restart(): Promise<void>;
}

async function freePort(): Promise<number> {
	const server = createServer().listen(0, '127.0.0.1');
	await once(server, 'listening');
	const { port } = server.address() as { port: number };
	server.close();
	await once(server, 'close');
	return port;
}

function launched(binary: string, args: string[], cwd: string, says: RegExp): Promise<{ child: ChildProcess; place: string }> {
	const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('RUCHE_')));
	const child = spawn(binary, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'], env });
	const forgotten = (): void => {
		child.kill('SIGKILL');
		rmSync(cwd, { recursive: true, force: true });
	};
	process.once('exit', forgotten);
	child.once('exit', () => process.off('exit', forgotten));
	return new Promise((resolve, reject) => {
		let said = '';
		const timer = setTimeout(() => reject(new Error(`${binary} did not start: ${said}`)), START_MS);
		const hear = (chunk: string): void => {
			said = (said + chunk).slice(-8192);
			const place = says.exec(said)?.[1];
			if (place !== undefined) {
				clearTimeout(timer);
				resolve({ child, place });
			}
		};
		child.stdout.setEncoding('utf8').on('data', hear);
		child.stderr.setEncoding('utf8').on('data', hear);
		child.once('error', (error) => reject(new Error(`${binary} cannot be run: ${error.message}`)));
		child.once('exit', (code) => reject(new Error(`${binary} ended at once (${code}): ${said}`)));
	});
}

async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
	if (child.exitCode !== null || child.signalCode !== null)
		return;
	const over = once(child, 'exit');
	child.kill(signal);
	await over;
}

/** `says`: what it says once it can be asked, and where. `args`: of the first start, and of later ones at the same place. */
interface How {
	binary: string;
	args(directory: string, place?: string): string[];
	says: RegExp;
	connection(directory: string, place: string): Server['connection'];
}

async function served({ binary, args, says, connection }: How): Promise<Server> {
	const directory = await mkdtemp(join(tmpdir(), 'ruche-bullmq-'));
	const start = (place?: string): Promise<{ child: ChildProcess; place: string }> => launched(binary, args(directory, place), directory, says);
	let { child, place } = await start();
	return {
		connection: connection(directory, place),
		async stop() {
			await ended(child, 'SIGTERM');
			await rm(directory, { recursive: true, force: true });
		},
		kill: () => ended(child, 'SIGKILL'),
		async restart() {
			({ child, place } = await start(place));
		},
	};
}

/** `unix`: on a Unix socket. */
export function startRuche(unix = false): Promise<Server> {
	return served({
		binary: process.env['RUCHE_BIN'] ?? 'ruche',
		args: (directory, place) => {
			const listen = unix ? `unix:${join(directory, 'ruche.sock')}` : place ? new URL(place).host : '127.0.0.1:0';
			return ['dev', '--listen', listen, '--store', join(directory, 'ruche.db')];
		},
		says: /^ruche \S+: (.*), store /m,
		connection: (directory, place) => (unix ? `unix:${join(directory, 'ruche.sock')}` : place),
	});
}

/** `lasting`: what it has answered is on disk. */
export async function startRedis(lasting = false): Promise<Server> {
	const port = await freePort(); // it does not choose one by itself
	return served({
		binary: 'redis-server',
		args: (directory) => ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', lasting ? 'yes' : 'no', '--appendfsync', 'always', '--maxmemory-policy', 'noeviction', '--dir', directory],
		says: /eady to accept connections()/,
		connection: () => ({ host: '127.0.0.1', port }),
	});
}

/** What one case works with; all that it made is closed after it. */
export class World {
	readonly #closers: (() => Promise<unknown>)[] = [];
	readonly prefix = `t${Math.random().toString(36).slice(2, 10)}`;

	constructor(readonly on: 'ruche' | 'redis', readonly connection: Server['connection'], readonly server?: Server) {}

	/** As if it were BullMQ's own: for its types, both are the same. */
	get #factory(): undefined {
		return (this.on === 'ruche' ? createRucheBackend : undefined) as undefined;
	}

	get #base(): { connection: QueueOptions['connection']; prefix: string } {
		return { connection: this.connection as unknown as QueueOptions['connection'], prefix: this.prefix };
	}

	queue(name = 'q', opts: Partial<QueueOptions> = {}): Queue {
		const queue = new Queue(name, { ...this.#base, ...opts }, this.#factory);
		queue.on('error', () => undefined);
		this.#closers.push(() => queue.close());
		return queue;
	}

	worker(processor: Processor | string | URL | null, opts: Partial<WorkerOptions> = {}, name = 'q'): Worker {
		const worker = new Worker(name, processor as Processor, { ...this.#base, drainDelay: 1, ...opts }, this.#factory);
		worker.on('error', () => undefined);
		this.#closers.unshift(() => worker.close());
		return worker;
	}

	/** All that happens there from the beginning on, so that nobody has to know when its first read is under way. */
	async events(opts: object = {}, name = 'q'): Promise<QueueEvents> {
		const events = new QueueEvents(name, { ...this.#base, blockingTimeout: 1000, lastEventId: '0-0', ...opts }, this.#factory);
		events.on('error', () => undefined);
		this.#closers.unshift(() => events.close());
		await events.waitUntilReady();
		return events;
	}

	producer(name = 'q'): QueueEventsProducer {
		const producer = new QueueEventsProducer(name, this.#base, this.#factory);
		this.#closers.push(() => producer.close());
		return producer;
	}

	flows(): FlowProducer {
		const producer = new FlowProducer(this.#base, this.#factory);
		producer.on('error', () => undefined);
		this.#closers.push(() => producer.close());
		return producer;
	}

	/** The server dies and is there again, with what was on disk. */
	async restart(): Promise<void> {
		await this.server!.kill();
		await this.server!.restart();
	}

	/** `what` is done after the case. */
	after(what: () => Promise<unknown>): void {
		this.#closers.push(what);
	}

	async close(): Promise<void> {
		for (const close of this.#closers.splice(0))
			await close();
	}
}

export interface Case {
	/** What it must come to, on both. */
	readonly is: unknown;
	/** Chosen differences: what it comes to on Redis, and why ours is another. */
	readonly onRedis?: { is: unknown; because: string };
	/** What it came to on Redis in the oldest release; later ones mended it. */
	readonly onOldRedis?: { is: unknown; because: string };
	readonly run: (world: World) => Promise<unknown>;
}

/** A file's cases: on Ruche, and on Redis where that was asked for; `lasting`: on one that keeps its data. */
export function cases(area: string, all: Readonly<Record<string, Case>>, { lasting = false } = {}): void {
	for (const on of WITH_REDIS ? ['ruche', 'redis'] as const : ['ruche'] as const)
		describe(`${area}, on ${on}`, () => {
			let server: Server;
			before(async () => {
				server = await (on === 'ruche' ? startRuche() : startRedis(lasting));
			});
			after(() => server?.stop());
			for (const [name, { is, onRedis, onOldRedis, run }] of Object.entries(all))
				test(name, { timeout: CASE_MS }, async () => {
					const world = new World(on, server.connection, server);
					try {
						const other = on === 'redis' ? OLDEST && onOldRedis || onRedis : undefined;
						const expected = other ? other.is : is;
						deepEqual(plain(await run(world)), plain(expected));
					} finally {
						await world.close();
					}
				});
		});
}

/** As JSON would keep it: no holes, no classes. */
function plain(value: unknown): unknown {
	return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}

/** Resolves with the arguments of the next `count` events of an emitter. */
export function heard(emitter: { on(event: never, listener: (...args: never[]) => void): unknown }, event: string, count = 1): Promise<unknown[][]> {
	return new Promise((resolve) => {
		const all: unknown[][] = [];
		emitter.on(event as never, ((...args: unknown[]) => {
			all.push(args);
			if (all.length === count)
				resolve(all);
		}) as never);
	});
}

/** Polls until it is true. */
export async function until(what: () => Promise<boolean> | boolean): Promise<void> {
	while (!await what())
		await new Promise((resolve) => setTimeout(resolve, 10));
}

/** The message and code of the error that it must end in. */
export async function refusal(promise: Promise<unknown>): Promise<{ message: string; code?: unknown }> {
	try {
		await promise;
	} catch (error) {
		const { message, code } = error as { message: string; code?: unknown };
		return { message, ...(code === undefined ? {} : { code }) };
	}
	throw new Error('it was not refused');
}

export function ids(jobs: readonly Job[]): (string | undefined)[] {
	return jobs.map((job) => job.id);
}

/** Takes one job by hand, without a worker's loop. */
export async function takeOne(world: World, token = 'mine', opts: Partial<WorkerOptions> = {}, name = 'q'): Promise<Job> {
	const worker = world.worker(null, { autorun: false, ...opts }, name);
	const job = await worker.getNextJob(token, { block: false }) as Job | undefined;
	if (!job)
		throw new Error('there is no job');
	return job;
}
