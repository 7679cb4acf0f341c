// What a caller of BullMQ hears when the daemon refuses: BullMQ's own words where it has some, otherwise the reason, and the field by the name that the caller
// gave it, with its place among several jobs: `jobs[1].opts.jobId`, not `ops[1].id`.
import type { IQueueBackend } from 'bullmq';
import { codedError, problemError, reword, RucheError, type Saying } from './errors.js';
import { Refusal } from './coalescer.js';

type FlowEntry = Parameters<IQueueBackend['addFlow']>[0][number];

const OF_JOB: Readonly<Record<string, string>> = {
	queue: 'queueName', namespace: 'prefix', compat: 'queueName', name: 'name', payload: 'data', metadata: 'opts', id: 'opts.jobId', delay_ms: 'opts.delay', run_at: 'opts.delay',
	priority: 'opts.priority', lifo: 'opts.lifo', max_attempts: 'opts.attempts', parents: 'opts.parent', dedup: 'opts.deduplication',
	'dedup.key': 'opts.deduplication.id', 'dedup.ttl_ms': 'opts.deduplication.ttl', 'dedup.extend': 'opts.deduplication.extend',
	'dedup.replace': 'opts.deduplication.replace', 'dedup.reschedule': 'opts.deduplication.reschedule', 'dedup.keep_last': 'opts.deduplication.keepLastIfActive',
	'parents[0].id': 'opts.parent.id', 'parents[0].queue': 'opts.parent.queue', 'parents[0].namespace': 'opts.parent.queue',
};
const OF_SCHEDULER: Readonly<Record<string, string>> = {
	key: 'jobSchedulerId', payload: 'jobTemplate.data', metadata: 'jobTemplate.opts', 'job.name': 'jobTemplate.name', 'job.priority': 'jobTemplate.opts.priority',
	'job.max_attempts': 'jobTemplate.opts.attempts', 'schedule.pattern': 'repeatOpts.pattern', 'schedule.every_ms': 'repeatOpts.every', 'schedule.tz': 'repeatOpts.tz',
	'schedule.offset_ms': 'repeatOpts.offset', 'schedule.limit': 'repeatOpts.limit', 'schedule.start_at': 'repeatOpts.startDate', 'schedule.end_at': 'repeatOpts.endDate',
};
const OF_QUEUE: Readonly<Record<string, string>> = {
	'settings.concurrency': 'concurrency', 'settings.rate': 'max', 'settings.rate.max': 'max', 'settings.rate.per_ms': 'duration',
	'settings.events_max': 'streams.events.maxLen', 'settings.metadata': 'meta', 'settings.metric_minutes': 'metrics.maxDataPoints', delay_ms: 'expireTimeMs',
};
const OF_CALL: Readonly<Record<string, Readonly<Record<string, string>>>> = {
	addJob: OF_JOB, addJobScheduler: OF_SCHEDULER, updateJobScheduler: OF_SCHEDULER, queue: OF_QUEUE,
	addLog: { line: 'logRow', keep: 'keepLogs' }, changeDelay: { delay_ms: 'delay' }, updateData: { payload: 'data' },
	publishEvent: { name: 'eventName' },
};

/** The error for whatever kept an operation from being done. */
export function refusalOf(error: unknown, saying: Saying): Error {
	return inCallersWords(error instanceof Refusal ? problemError(error.problem, saying) : error as Error, saying.command);
}

/** The same of a call about the queue itself, which BullMQ has no codes for. */
export function refusalOfQueue(error: unknown): Error {
	return inCallersWords(error instanceof Refusal ? problemError(error.problem) : error as Error, 'queue');
}

/** The error for a refused enqueue of several at once; `places` says where each of them stands for the caller, with its point. */
export function refusalOfSeveral(error: unknown, places: readonly string[], sayings: readonly Saying[]): Error {
	if (!(error instanceof RucheError))
		return error as Error;
	const [, at, field = ''] = /^ops\[(\d+)\]\.?(.*)$/.exec(error.field ?? '') ?? [];
	const coded = codedError(error.code, sayings[Number(at ?? 0)] ?? { command: 'addJob' });
	if (coded || at === undefined)
		return coded ?? error;
	return named(error, `${places[Number(at)] ?? ''}${OF_JOB[field] ?? field}`);
}

function inCallersWords(error: Error, command: string): Error {
	if (!(error instanceof RucheError) || error.field === undefined)
		return error;
	return named(error, OF_CALL[command]?.[error.field] ?? error.field);
}

/** The error, about `field`; with a point at its end it is the place of a job that was refused as a whole, and `''` is all that was asked for. */
function named(error: RucheError, field: string): RucheError {
	const before = `${error.field}: `, name = field.replace(/\.$/, '');
	if (error.message.startsWith(before))
		reword(error, `${name && `${name}: `}${error.message.slice(before.length)}`);
	error.field = name || undefined;
	return error;
}

/** Where each node of a flow stands, as FlowProducer flattens it: parents before their children. `''`: the root of the only tree. */
export function placesOf(entries: readonly FlowEntry[], keyOf: (entry: FlowEntry) => string): string[] {
	const keys = new Set(entries.map(keyOf)), nodes = new Map<string, { readonly path: string; children: number }>();
	const parentOf = ({ parentKeyOpts }: FlowEntry): string => parentKeyOpts?.parentKey ?? '';
	const several = entries.filter((entry) => !keys.has(parentOf(entry))).length > 1;
	let roots = 0;
	return entries.map((entry) => {
		const parent = nodes.get(parentOf(entry));
		const path = parent ? `${parent.path}children[${parent.children++}].` : several ? `flows[${roots++}].` : '';
		nodes.set(keyOf(entry), { path, children: 0 });
		return path;
	});
}
