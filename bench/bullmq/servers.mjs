// The servers that are measured, each on loopback and on a directory of its own that goes with it.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';

const START_MS = 60_000;
const TICK_US = 10_000; // of /proc/PID/stat

async function freePort() {
	const server = createServer().listen(0, '127.0.0.1');
	await once(server, 'listening');
	const { port } = server.address();
	server.close();
	await once(server, 'close');
	return port;
}

/** Starts a server and resolves when it has said that it is ready. */
function launch(binary, args, says, options) {
	const child = spawn(binary, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
	return new Promise((resolve, reject) => {
		let said = '';
		const timer = setTimeout(() => reject(new Error(`${binary} did not start: ${said}`)), START_MS);
		const hear = (chunk) => {
			said = (said + chunk).slice(-8192);
			if (says.test(said)) {
				clearTimeout(timer);
				resolve(child);
			}
		};
		child.stdout.setEncoding('utf8').on('data', hear);
		child.stderr.setEncoding('utf8').on('data', hear);
		child.once('error', reject);
		child.once('exit', (code) => reject(new Error(`${binary} ended at once (${code}): ${said}`)));
	});
}

async function stop(child, signal) {
	if (child.exitCode !== null || child.signalCode !== null)
		return;
	const over = once(child, 'exit');
	child.kill(signal);
	await over;
}

/** Processor time of a process and its children, those that ended too, in microseconds. */
function cpuUs(pid) {
	let ticks = 0;
	for (const name of readdirSync('/proc')) {
		if (!/^\d+$/.test(name))
			continue;
		let fields;
		try {
			fields = readFileSync(`/proc/${name}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ').map(Number);
		} catch {
			continue; // it has just ended
		}
		const [, parent, , , , , , , , , , user, system, childrenUser, childrenSystem] = fields;
		if (Number(name) === pid)
			ticks += user + system + childrenUser + childrenSystem;
		else if (parent === pid)
			ticks += user + system;
	}
	return ticks * TICK_US;
}

/** What a run needs of a server: how to reach it, its processor time so far, its end. */
function server(child, connection, signal, directory) {
	const forgotten = () => {
		child.kill('SIGKILL');
		rmSync(directory, { recursive: true, force: true });
	};
	process.once('exit', forgotten);
	return {
		connection,
		cpuUs: () => cpuUs(child.pid),
		async stop() {
			await stop(child, signal);
			process.off('exit', forgotten);
			rmSync(directory, { recursive: true, force: true });
		},
	};
}

function room(parent) {
	return mkdtempSync(join(parent, 'ruche-bench-bullmq-'));
}

async function startRedis(parent) {
	const directory = room(parent), port = await freePort();
	const args = ['--port', port, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--maxmemory-policy', 'noeviction', '--dir', directory];
	const child = await launch('redis-server', args.map(String), /eady to accept connections/);
	return server(child, { host: '127.0.0.1', port }, 'SIGTERM', directory);
}

async function startRuche(parent) {
	const directory = room(parent), port = await freePort();
	const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('RUCHE_')));
	const args = ['dev', '--listen', `127.0.0.1:${port}`, '--store', join(directory, 'ruche.db')];
	const child = await launch(process.env.RUCHE_BIN ?? 'ruche', args, /^ruche \S+: (.*), store /m, { env, cwd: directory });
	return server(child, `http://127.0.0.1:${port}`, 'SIGTERM', directory);
}

/** Where Debian keeps PostgreSQL's programs: of the newest version. */
function postgresBinaries() {
	const base = '/usr/lib/postgresql';
	const versions = existsSync(base) ? readdirSync(base).map(Number).filter(Boolean).sort((a, b) => b - a) : [];
	return versions.length ? join(base, String(versions[0]), 'bin') : '';
}

/** As shipped: fsync on, every commit waits for the disk. It refuses to run as root, so root runs it as its own user. */
async function startPostgres(parent) {
	const directory = room(parent), port = await freePort(), binaries = postgresBinaries(), cluster = join(directory, 'cluster');
	let who = {};
	if (process.getuid() === 0) {
		const [uid, gid] = ['-u', '-g'].map((flag) => Number(spawnSync('id', [flag, 'postgres'], { encoding: 'utf8' }).stdout));
		chownSync(directory, uid, gid);
		who = { uid, gid };
	}
	const made = spawnSync(join(binaries, 'initdb'), ['-D', cluster, '-U', 'bench', '-A', 'trust', '-E', 'UTF8', '--no-locale'], { encoding: 'utf8', cwd: directory, ...who });
	if (made.status !== 0)
		throw new Error(`initdb failed: ${made.error ?? made.stderr}`);
	const args = ['-D', cluster, '-p', port, '-c', 'listen_addresses=127.0.0.1', '-c', `unix_socket_directories=${directory}`];
	const child = await launch(join(binaries, 'postgres'), args.map(String), /ready to accept connections/, { cwd: directory, ...who });
	return server(child, { connectionString: `postgres://bench@127.0.0.1:${port}/postgres`, max: 20, migrate: true }, 'SIGINT', directory);
}

/** A fresh server of a side; `directory` is where it keeps its files: on a real disk. */
export function start(side, directory) {
	return { redis: startRedis, postgres: startPostgres, ruche: startRuche, sdk: startRuche }[side](directory);
}
