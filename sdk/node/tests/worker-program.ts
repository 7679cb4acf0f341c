// A program that works until it is told to stop: `node worker-program.js URL QUEUE HOW`. Says on standard output what happens, a line each.
import { Ruche } from 'ruche';

const [url, queue, how] = process.argv.slice(2) as [string, string, string];
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const ruche = new Ruche({ url });
if (how === 'own-listener')
	process.on('SIGTERM', () => say('own listener'));
const worker = ruche.worker<string>(queue, async (job, { signal }) => {
	say(`started ${job.payload}`);
	signal.addEventListener('abort', () => say(`aborted ${(signal.reason as Error).name}`));
	switch (job.payload) {
	case 'quick': {
		await new Promise((resolve) => process.once('SIGTERM', resolve));
		return 'done after the signal';
	}
	case 'heeds':
		return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
	case 'returns':
		return new Promise((resolve) => signal.addEventListener('abort', () => resolve('in the last moment')));
	default:
		return new Promise(() => undefined); // deaf
	}
}, { concurrency: 10, leaseMs: 3_600_000, deadlineMs: how === 'patient' ? 3_600_000 : 50, graceMs: 200, signals: how !== 'no-signals' });
const close = worker.close.bind(worker);
worker.close = (options) => {
	say('closing');
	return close(options);
};
worker.on('closed', () => {
	say('closed');
	if (how === 'own-listener')
		process.exit(7);
});
worker.on('error', (error) => say(`error ${error.message}`));
