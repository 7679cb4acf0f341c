// ./dev bench bullmq: the same Node program on BullMQ with three backends, and the same done with our own SDK. Rounds are interleaved: each round measures every
// side once, on a fresh server; medians count.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { SCENARIOS, SDK_FLOOR, SIDES } from './scenarios.mjs';
import { start } from './servers.mjs';

const HELP = `usage: ./dev bench bullmq [SCENARIO…] [--runs N] [--jobs N] [--sides redis,postgres,ruche,sdk] [--directory DIRECTORY] [--json]

The same Node code on BullMQ with Redis (no persistence), PostgreSQL and Ruche, and the same done with Ruche's own SDK.
Scenarios: ${SCENARIOS.map(({ name }) => name).join(', ')}. Medians of N interleaved runs (3), each on a fresh server.
--jobs: instead of each side's own number. --directory: where the servers keep their files (/var/tmp).
`;

const PARTY = new URL('party.mjs', import.meta.url).pathname;
const NODE_PATH = new URL('node_modules', import.meta.url).pathname; // where bullmq finds `pg`
process.env.RUCHE_BIN ??= new URL('../../build/ruche', import.meta.url).pathname;

/** One process of a run: `ready` resolves when it is prepared, `outcome` with what it measured. */
function party(side, part, jobs, connection, queue) {
	const profile = process.env.BENCH_NODE_OPTIONS?.split(' ') ?? [];
	const child = spawn(process.execPath, [...profile, PARTY, side, part, String(jobs), JSON.stringify(connection), queue], {
		stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, NODE_PATH },
	});
	const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
	const next = async () => {
		const { value, done } = await lines.next();
		if (done)
			throw new Error(`${side}, ${part}: the process ended early`);
		return value;
	};
	const over = once(child, 'exit').then(([code]) => {
		if (code !== 0)
			throw new Error(`${side}, ${part}: exit status ${code}`);
	});
	return { ready: next(), go: () => child.stdin.write('go\n'), outcome: async () => JSON.parse(await next()), over };
}

/** One scenario on one side: jobs a second, or milliseconds; and the processor time of each job in the Node processes and in the server. */
async function measure(scenario, side, jobs, directory) {
	const server = await start(side, directory);
	try {
		const roles = scenario.name === 'together' ? ['together:producer', 'together:worker'] : [scenario.name];
		const parties = roles.map((role) => party(side, role, jobs, server.connection, 'bench'));
		await Promise.all(parties.map(({ ready }) => ready));
		const before = server.cpuUs();
		for (const one of parties)
			one.go();
		const outcomes = await Promise.all(parties.map((one) => one.outcome()));
		const serverUs = (server.cpuUs() - before) / jobs;
		await Promise.all(parties.map(({ over }) => over));
		const seconds = (Math.max(...outcomes.map(({ ended }) => ended)) - Math.min(...outcomes.map(({ begun }) => begun))) / 1000;
		const value = scenario.lowerIsBetter ? outcomes[0].p50_ms : jobs / seconds;
		return { value, p99: outcomes[0].p99_ms, nodeUs: outcomes.map(({ cpu_us: us }) => us / jobs), serverUs };
	} finally {
		await server.stop();
	}
}

function median(values) {
	const sorted = [...values].sort((a, b) => a - b), half = sorted.length >> 1;
	return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

function figure(value) {
	return value === undefined ? '' : value.toFixed(value >= 1000 ? 0 : value >= 10 ? 1 : 3);
}

/** The medians of a scenario's sides, and each ratio that has a floor. */
function summed(scenario, runs) {
	const sides = Object.fromEntries(Object.entries(runs).filter(([, list]) => list.length).map(([side, list]) => [side, {
		value: median(list.map(({ value }) => value)),
		runs: list.map(({ value }) => value),
		...(scenario.lowerIsBetter ? { p99: median(list.map(({ p99 }) => p99)) } : {}),
		node_us: list[0].nodeUs.map((_, i) => median(list.map(({ nodeUs }) => nodeUs[i]))),
		server_us: median(list.map(({ serverUs }) => serverUs)),
	}]));
	const ratios = [];
	const compare = (ours, theirs, floor) => {
		if (floor && sides[ours] && sides[theirs])
			ratios.push({ of: ours, to: theirs, ratio: sides[ours].value / sides[theirs].value, floor });
	};
	compare('ruche', 'redis', scenario.floors.redis);
	compare('ruche', 'postgres', scenario.floors.postgres);
	compare('sdk', 'ruche', scenario.lowerIsBetter ? undefined : SDK_FLOOR);
	return { scenario, sides, ratios };
}

function meets(scenario, { ratio: reached, floor }) {
	return scenario.lowerIsBetter ? reached <= floor : reached >= floor;
}

function printJson(sums) {
	const all = {};
	for (const { scenario, sides, ratios } of sums) {
		for (const [side, { value, runs, ...rest }] of Object.entries(sides))
			all[`${scenario.name}_${side}`] = { value: Number(figure(value)), unit: scenario.unit, runs: runs.map((one) => Number(figure(one))), ...rest };
		for (const { of, to, ratio: reached, floor } of ratios)
			all[`${scenario.name}_${of}_to_${to}`] = { value: Number(reached.toFixed(3)), unit: 'ratio', floor };
	}
	process.stdout.write(`${JSON.stringify(all)}\n`);
}

function printTable(sums) {
	const rows = [['MEASURE', 'ON', 'VALUE', 'UNIT', 'NODE µs/job', 'SERVER µs/job', 'AGAINST', 'FLOOR', 'RUNS']];
	for (const { scenario, sides, ratios } of sums)
		for (const [side, { value, runs, node_us: node, server_us: server, p99 }] of Object.entries(sides)) {
			const own = ratios.filter(({ of }) => of === side);
			const sign = scenario.lowerIsBetter ? '<=' : '>=';
			rows.push([scenario.name, side, figure(value), scenario.unit, node.map((us) => us.toFixed(0)).join(' + '), server.toFixed(0),
				own.map((one) => `${one.to} ${one.ratio.toFixed(2)}${meets(scenario, one) ? '' : ' !'}`).join(', '), own.map(({ floor }) => `${sign} ${floor}`).join(', '),
				runs.map(figure).join(' ') + (p99 === undefined ? '' : ` (p99 ${figure(p99)})`)]);
		}
	const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
	for (const row of rows)
		process.stdout.write(`${row.map((cell, column) => cell.padEnd(widths[column])).join('  ').trimEnd()}\n`);
}

function fail(text) {
	process.stderr.write(`bench bullmq: ${text}\n${HELP}`);
	process.exit(64);
}

function whole(text, name) {
	const number = Number(text);
	if (!Number.isInteger(number) || number < 1)
		fail(`--${name} is a whole number from 1, not ${text}`);
	return number;
}

function read() {
	try {
		return parseArgs({ allowPositionals: true, options: {
			runs: { type: 'string', short: 'r', default: '3' }, jobs: { type: 'string', short: 'j' }, sides: { type: 'string', default: SIDES.join(',') },
			directory: { type: 'string', short: 'd', default: '/var/tmp' }, json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' },
		} });
	} catch (error) {
		return fail(error.message);
	}
}

for (const signal of ['SIGINT', 'SIGTERM'])
	process.once(signal, () => process.exit(1)); // servers and their files go with us

const { values: options, positionals: names } = read();
if (options.help) {
	process.stdout.write(HELP);
	process.exit();
}
const unknown = names.find((name) => !SCENARIOS.some((scenario) => scenario.name === name));
if (unknown)
	fail(`no scenario '${unknown}'; there are ${SCENARIOS.map(({ name }) => name).join(' ')}`);
const sides = options.sides.split(',');
const stranger = sides.find((side) => !SIDES.includes(side));
if (stranger !== undefined)
	fail(`no side '${stranger}'; there are ${SIDES.join(' ')}`);
const rounds = whole(options.runs, 'runs');
const sums = [];
for (const scenario of SCENARIOS.filter(({ name }) => !names.length || names.includes(name))) {
	const runs = Object.fromEntries(sides.map((side) => [side, []]));
	for (let round = 0; round < rounds; round++)
		for (const side of sides) {
			if (process.stderr.isTTY)
				process.stderr.write(`\r\x1b[K${scenario.name} on ${side}, run ${round + 1} of ${rounds} …`);
			runs[side].push(await measure(scenario, side, options.jobs ? whole(options.jobs, 'jobs') : scenario.jobs[side], options.directory));
		}
	sums.push(summed(scenario, runs));
}
if (process.stderr.isTTY)
	process.stderr.write('\r\x1b[K');
(options.json ? printJson : printTable)(sums);
process.exitCode = sums.every(({ scenario, ratios }) => ratios.every((one) => meets(scenario, one))) ? 0 : 1;
