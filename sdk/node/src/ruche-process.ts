// A daemon for tests: a child process on a store that is thrown away.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RucheOptions } from './connection.js';
import { TimedOutError } from './errors.js';
import type { JobHandle } from './job-handle.js';
import type { JobView } from './job.js';
import { Ruche } from './ruche.js';

const START_MS = 30_000;
const ENDED_MS = 30_000;
const SAID_MAX = 8_192; // characters kept of what the daemon says, for errors

/** How to start it. */
export interface StartOptions {
	/** Path of the binary. Default: RUCHE_BIN, or `ruche` of the PATH. */
	binary?: string;
	/** More arguments for `ruche dev`. */
	args?: string[];
	/** Listens on a Unix socket in its directory instead of TCP. */
	unix?: boolean;
	/** For the client `ruche`. */
	client?: Omit<RucheOptions, 'url' | 'token'>;
}

/** A running daemon. */
export class RucheProcess {
	/** Where its store is; gone after `stop`. */
	readonly directory: string;
	/** What `new Ruche({ url })` takes. */
	readonly url: string;
	/** A client for it; closed by `stop`. */
	readonly ruche: Ruche;
	readonly #options: StartOptions;
	#child: ChildProcess;

	private constructor(directory: string, url: string, child: ChildProcess, options: StartOptions) {
		this.directory = directory;
		this.url = url;
		this.#child = child;
		this.#options = options;
		this.ruche = new Ruche({ ...options.client, url, token: '' });
	}

	/** @internal */
	static async start(options: StartOptions): Promise<RucheProcess> {
		const directory = await mkdtemp(join(tmpdir(), 'ruche-test-'));
		try {
			const listen = options.unix ? `unix:${join(directory, 'ruche.sock')}` : '127.0.0.1:0';
			const { child, url } = await launch(directory, listen, options);
			return new RucheProcess(directory, options.unix ? listen : url, child, options);
		} catch (error) {
			await rm(directory, { recursive: true, force: true });
			throw error;
		}
	}

	/** Waits until a job has ended, however it ended; an error says why it has not. `timeoutMs`: milliseconds (30,000). */
	async ended<Payload, Result>(job: JobHandle<Payload, Result>, timeoutMs = ENDED_MS): Promise<JobView<Payload, Result>> {
		try {
			return await job.ended({ timeoutMs });
		} catch (error) {
			if (!(error instanceof TimedOutError))
				throw error;
			throw new TimedOutError(`${error.message}: ${(await job.explain()).text}`, error);
		}
	}

	/** kill -9, as a crash or a power cut would. */
	async kill(): Promise<void> {
		await end(this.#child, 'SIGKILL');
	}

	/** Starts it again after `kill`, at the same address, on the same store. */
	async restart(): Promise<void> {
		const listen = this.#options.unix ? this.url : new URL(this.url).host;
		this.#child = (await launch(this.directory, listen, this.#options)).child;
	}

	/** Ends the client and the daemon, and removes the store. */
	async stop(): Promise<void> {
		await this.ruche.close({ deadlineMs: 0 });
		await end(this.#child, 'SIGTERM');
		await rm(this.directory, { recursive: true, force: true });
	}

	[Symbol.asyncDispose](): Promise<void> {
		return this.stop();
	}
}

/** Starts the daemon and waits until it says where it listens. */
async function launch(directory: string, listen: string, options: StartOptions): Promise<{ child: ChildProcess; url: string }> {
	const binary = options.binary ?? process.env['RUCHE_BIN'] ?? 'ruche';
	const args = ['dev', '--listen', listen, '--store', join(directory, 'ruche.db'), ...(options.args ?? [])];
	const child = spawn(binary, args, { cwd: directory, stdio: ['ignore', 'pipe', 'pipe'], env: ownEnvironment() });
	const forgotten = (): void => { // by a test that failed before its `stop`
		child.kill('SIGKILL');
		rmSync(directory, { recursive: true, force: true });
	};
	process.once('exit', forgotten);
	child.once('exit', () => process.off('exit', forgotten));
	let said = '';
	return new Promise((resolve, reject) => {
		const fail = (what: string): void => {
			clearTimeout(timer);
			child.kill('SIGKILL');
			reject(new Error(`the test daemon '${binary}' ${what}${said ? `; it said:\n${said}` : ''}`));
		};
		const timer = setTimeout(() => fail(`did not start within ${START_MS} ms`), START_MS);
		const hear = (chunk: string): void => {
			said = (said + chunk).slice(-SAID_MAX);
			const url = /^ruche \S+: (.*), store /m.exec(said)?.[1];
			if (url) {
				clearTimeout(timer);
				hold(child, false);
				resolve({ child, url });
			}
		};
		child.stdout.setEncoding('utf8').on('data', hear);
		child.stderr.setEncoding('utf8').on('data', hear);
		child.once('error', (error) => fail(`cannot be run (${error.message}): build it by './dev build' and name it in RUCHE_BIN, or put it into the PATH`));
		child.once('exit', (code, signal) => fail(`ended at once (${signal ?? `exit code ${code}`})`));
	});
}

/** RUCHE_… is meant for clients; the daemon would read some of it as its configuration. */
function ownEnvironment(): NodeJS.ProcessEnv {
	return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('RUCHE_')));
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
	if (child.exitCode !== null || child.signalCode !== null)
		return;
	hold(child, true);
	const over = once(child, 'exit');
	child.kill(signal);
	await over;
}

/** Does the child keep this process alive? Only while somebody waits for it: a forgotten one must not make a test run hang. */
function hold(child: ChildProcess, alive: boolean): void {
	for (const handle of [child, child.stdout as unknown as NodeJS.RefCounted, child.stderr as unknown as NodeJS.RefCounted])
		handle[alive ? 'ref' : 'unref']();
}
