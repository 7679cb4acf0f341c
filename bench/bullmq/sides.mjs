// One way to a queue for each side. BullMQ's three run the same code: only the factory and the connection differ.
import { createRequire } from 'node:module';

const adapter = createRequire(new URL('../../sdk/bullmq/package.json', import.meta.url));

/** @returns {{queue(name), worker(name, handler, concurrency)}} of a side; `connection` is what its server told. */
export function open(side, connection) {
	return side === 'sdk' ? openSdk(connection) : openBull(side, connection);
}

function openBull(side, connection) {
	const { Queue, Worker, createPostgresBackend } = adapter('bullmq');
	const factory = { redis: () => undefined, postgres: () => createPostgresBackend, ruche: () => adapter('./dist/cjs/index.js').createRucheBackend }[side]();
	return {
		queue(name) {
			const queue = new Queue(name, { connection }, factory);
			queue.on('error', complain);
			return {
				ready: () => queue.waitUntilReady(),
				add: (data) => queue.add('bench', data),
				addBulk: (list) => queue.addBulk(list.map((data) => ({ name: 'bench', data }))),
				completed: () => queue.getCompletedCount(),
				waiting: () => queue.getWaitingCount(),
				close: () => queue.close(),
			};
		},
		worker(name, handler, concurrency) {
			const worker = new Worker(name, (job) => handler(job.data), { connection, concurrency, skipStalledCheck: true }, factory);
			worker.on('error', complain);
			return { ready: () => worker.waitUntilReady(), onCompleted: (listener) => worker.on('completed', listener), close: () => worker.close() };
		},
		close: async () => undefined,
	};
}

async function openSdk(connection) {
	const { Ruche } = await import('../../sdk/node/dist/esm/index.js');
	const ruche = new Ruche({ url: connection });
	return {
		queue(name) {
			const queue = ruche.queue(name);
			return {
				ready: async () => undefined,
				add: (data) => queue.enqueue(data, { name: 'bench' }),
				addBulk: (list) => queue.enqueueMany(list.map((payload) => ({ payload, name: 'bench' })), { atomic: true }),
				completed: async () => (await queue.stats()).states.completed,
				waiting: async () => (await queue.stats()).states.waiting,
				close: async () => undefined,
			};
		},
		worker(name, handler, concurrency) {
			const worker = ruche.worker(name, (job) => handler(job.payload), { concurrency, signals: false });
			worker.on('error', complain);
			return { ready: async () => undefined, onCompleted: (listener) => worker.on('completed', listener), close: () => worker.close() };
		},
		close: () => ruche.close(),
	};
}

function complain(error) {
	process.stderr.write(`bench: ${error.stack ?? error}\n`);
}
