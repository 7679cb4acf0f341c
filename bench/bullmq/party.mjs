// One process of a run: prepares, says `ready`, waits for a line, does its part, and says what came out as one line of JSON.
//   party.mjs SIDE SCENARIO[:producer|:worker] JOBS CONNECTION(JSON) QUEUE
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { BULK, BULKS_IN_FLIGHT, IN_FLIGHT, LATENCY_EVERY_MS } from './scenarios.mjs';
import { open } from './sides.mjs';

const [side, part, jobsText, connectionText, name] = process.argv.slice(2);
const jobs = Number(jobsText);
const warm = Math.max(100, Math.min(5_000, Math.round(jobs / 10))); // what is compiled in the first moments is not measured
const lines = createInterface({ input: process.stdin });
const house = await open(side, JSON.parse(connectionText));
const data = (stamp = 0) => ({ stamp, to: 'somebody@example.org', subject: 'A message of some two hundred bytes', body: 'x'.repeat(90) });
const now = () => performance.timeOrigin + performance.now();

/** Says that all is prepared, and resolves when the run begins. */
async function begin() {
	process.stdout.write('ready\n');
	await once(lines, 'line');
	return { at: now(), cpu: process.cpuUsage() };
}

function end(begun, more = {}) {
	const { user, system } = process.cpuUsage(begun.cpu);
	const ended = now();
	process.stdout.write(`${JSON.stringify({ begun: begun.at, ended, cpu_us: user + system, ...more })}\n`);
}

/** `calls` calls, so many on their way at once. */
async function calls(count, inFlight, call) {
	let left = count;
	await Promise.all(Array.from({ length: inFlight }, async () => {
		while (left-- > 0)
			await call();
	}));
}

const add = (queue, count) => calls(count, IN_FLIGHT, () => queue.add(data()));
const addBulk = (queue, count) => calls(count / BULK, BULKS_IN_FLIGHT, () => queue.addBulk(Array.from({ length: BULK }, () => data())));
const fill = async (queue, count) => {
	await addBulk(queue, Math.floor(count / BULK) * BULK);
	if (count % BULK)
		await queue.addBulk(Array.from({ length: count % BULK }, () => data()));
};

/** Works until so many have ended. */
async function work(queueName, count, handler = () => undefined, begun = async () => undefined) {
	let left = count, over;
	const done = new Promise((resolve) => {
		over = resolve;
	});
	const worker = house.worker(queueName, handler, IN_FLIGHT);
	worker.onCompleted(() => --left === 0 && over());
	await begun(worker);
	await done;
	return worker;
}

async function check(queue, what, expected) {
	const count = await queue[what]();
	if (count !== expected)
		throw new Error(`${side}, ${part}: ${count} jobs are ${what}, not ${expected}`);
}

const parts = {
	async add() {
		const queue = house.queue(name), early = house.queue(`${name}-warm`);
		await add(early, warm);
		await queue.ready();
		const begun = await begin();
		await add(queue, jobs);
		end(begun);
		await check(queue, 'waiting', jobs);
		return [queue, early];
	},
	async addBulk() {
		const queue = house.queue(name), early = house.queue(`${name}-warm`);
		await addBulk(early, Math.ceil(warm / BULK) * BULK);
		await queue.ready();
		const begun = await begin();
		await addBulk(queue, jobs);
		end(begun);
		await check(queue, 'waiting', jobs);
		return [queue, early];
	},
	async drain() {
		const queue = house.queue(name), early = house.queue(`${name}-warm`);
		await fill(early, warm);
		await fill(queue, jobs);
		const first = await work(`${name}-warm`, warm);
		const begun = await begin();
		const worker = await work(name, jobs);
		end(begun);
		await check(queue, 'completed', jobs);
		return [worker, first, queue, early];
	},
	async 'together:producer'() {
		const queue = house.queue(name), early = house.queue(`${name}-warm`);
		await add(early, warm);
		await queue.ready();
		const begun = await begin();
		await add(queue, jobs);
		end(begun);
		return [queue, early];
	},
	async 'together:worker'() {
		const queue = house.queue(name);
		const first = await work(`${name}-warm`, warm);
		let begun;
		const worker = await work(name, jobs, undefined, async (worker) => {
			await worker.ready();
			begun = await begin();
		});
		end(begun);
		await check(queue, 'completed', jobs);
		return [worker, first, queue];
	},
	async latency() {
		const queue = house.queue(name), spans = [], early = Math.round(jobs / 4);
		let begun;
		const worker = await work(name, jobs + early, ({ stamp }) => {
			spans.push(performance.now() - stamp);
		}, async (worker) => {
			await worker.ready();
			begun = await begin();
			let sent = 0;
			const timer = setInterval(() => {
				void queue.add(data(performance.now()));
				if (++sent === jobs + early)
					clearInterval(timer);
			}, LATENCY_EVERY_MS);
		});
		const counted = spans.slice(early).sort((a, b) => a - b);
		end(begun, { p50_ms: counted[counted.length >> 1], p99_ms: counted[Math.floor(counted.length * 0.99)] });
		return [worker, queue];
	},
};

const closing = await parts[part]();
for (const one of closing)
	await one.close();
await house.close();
lines.close();
process.stdin.destroy();
