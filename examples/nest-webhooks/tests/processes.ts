// The processes of a test: a daemon (or Redis), and the application's two halves. Each is killed when the test is over, however it is over.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const room = mkdtempSync(join(tmpdir(), 'nest-webhooks-'));
const running = new Set<ChildProcess>();
process.once('exit', () => {
	for (const child of running)
		child.kill('SIGKILL');
	rmSync(room, { recursive: true, force: true });
});
for (const signal of ['SIGTERM', 'SIGINT'] as const)
	process.once(signal, () => process.exit(1)); // takes the programs along, too, when the test is stopped

const START_MS = 30_000, STOP_MS = 15_000;

export async function freePort(): Promise<number> {
	const server = createServer().listen(0, '127.0.0.1');
	await once(server, 'listening');
	const { port } = server.address() as { port: number };
	server.close();
	await once(server, 'close');
	return port;
}

/** A new directory. */
export function scratch(): string {
	return mkdtempSync(join(room, 'x'));
}

export interface Command {
	readonly file: string;
	readonly args: readonly string[];
	readonly env?: Readonly<Record<string, string>>;
	/** What it says when it is ready. */
	readonly says: RegExp;
}

/** A process that can be killed and started again; `said` is everything that it wrote, over all its lives. */
export class Program {
	said = '';
	private child: ChildProcess | undefined;
	private over: Promise<unknown> = Promise.resolve();

	constructor(private readonly command: Command) {}

	async start(): Promise<this> {
		const { file, args, env, says } = this.command;
		const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('RUCHE_') && !name.startsWith('NODE_')));
		const child = this.child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...clean, ...env } });
		running.add(child);
		this.over = once(child, 'exit').finally(() => running.delete(child));
		const from = this.said.length;
		await new Promise<void>((resolve, reject) => {
			const fail = (why: string): void => reject(new Error(`${file} ${args.join(' ')} ${why}: ${this.said.slice(from)}`));
			const timer = setTimeout(() => fail(`was not ready in ${START_MS} ms`), START_MS);
			const hear = (chunk: string): void => {
				this.said += chunk;
				if (says.test(this.said.slice(from))) {
					clearTimeout(timer);
					resolve();
				}
			};
			child.stdout.setEncoding('utf8').on('data', hear);
			child.stderr.setEncoding('utf8').on('data', hear);
			child.once('error', (error) => fail(`cannot be run (${error.message})`));
			child.once('exit', (code, signal) => fail(`ended (${signal ?? code})`));
		});
		return this;
	}

	get isAlive(): boolean {
		return this.child !== undefined && this.child.exitCode === null && this.child.signalCode === null;
	}

	async kill(): Promise<void> {
		this.child?.kill('SIGKILL');
		await this.over;
	}

	/** Asks it to end; answers its exit status, or the signal that ended it. */
	async stop(): Promise<number | string | null> {
		if (!this.isAlive)
			return this.child?.exitCode ?? this.child?.signalCode ?? null;
		const timer = setTimeout(() => this.child?.kill('SIGKILL'), STOP_MS);
		this.child!.kill('SIGTERM');
		await this.over;
		clearTimeout(timer);
		return this.child!.exitCode ?? this.child!.signalCode;
	}
}

/** Where jobs live, and its address. */
export interface Backend {
	readonly program: Program;
	readonly url: string;
}

export async function startRuche(): Promise<Backend> {
	const says = /^ruche \S+: (.*), store /m, store = join(scratch(), 'ruche.db');
	const command = { file: process.env['RUCHE_BIN'] ?? 'ruche', says, args: ['dev', '--listen', '127.0.0.1:0', '--store', store] };
	const program = await new Program(command).start(), url = says.exec(program.said)![1]!;
	command.args[2] = new URL(url).host; // there it is when it is started again
	return { program, url };
}

export async function startRedis(): Promise<Backend> {
	const port = await freePort();
	const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--maxmemory-policy', 'noeviction', '--dir', scratch()];
	const program = new Program({ file: 'redis-server', args, says: /eady to accept connections/ });
	return { program: await program.start(), url: `redis://127.0.0.1:${port}` };
}
