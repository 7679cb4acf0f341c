// A job as BullMQ 5 and 6 keep it in Redis, and the enqueue that makes the same job here. Pure: nothing is asked of anybody.
import type { JobsOptions } from 'bullmq';
import { attemptsOf, dedupOf, nameFits, storedOpts } from '../job-json.js';
import type { Place } from '../place.js';
import type { WireError, WireParent } from '../wire.js';

const RESULT_BYTES = 256 * 1024, PROGRESS_BYTES = 16 * 1024, LINE_BYTES = 8 * 1024; // what the daemon takes
const ERRORS_MAX = 100;
const SEQUENCE = 0x1000; // the score of a delayed job is its time, and behind it a number that keeps the order

export type State = 'waiting' | 'prioritized' | 'delayed' | 'waiting-children' | 'completed' | 'failed';

/** What stands in Redis of a job, as texts. */
export interface StoredJob {
	readonly id: string;
	readonly state: State;
	/** In the sorted set of its state, where that is one. */
	readonly score?: number | undefined;
	readonly fields: Readonly<Record<string, string>>;
	/** The newest, oldest first. */
	readonly logs?: readonly string[] | undefined;
	/** It owns its deduplication key, for so long; -1: until it ends. */
	readonly dedupMs?: number | undefined;
	/** Who waits for it. */
	readonly parents?: readonly WireParent[] | undefined;
	readonly children?: readonly PastChild[] | undefined;
}

/** Of a parent: a child that has ended. */
export interface PastChild {
	readonly namespace: string;
	readonly queue: string;
	readonly id: string;
	readonly state: 'done' | 'ignored' | 'failed';
	readonly value: unknown;
}

/** An operation as JSON, and what of the job is not as it was. Or why the job cannot be moved. */
export type Moved = { readonly json: string; readonly differences: readonly string[]; readonly reason?: undefined } | { readonly reason: string };

const SHORT: Readonly<Record<string, string>> = {
	de: 'deduplication', fpof: 'failParentOnFailure', cpof: 'continueParentOnFailure', idof: 'ignoreDependencyOnFailure', kl: 'keepLogs',
	rdof: 'removeDependencyOnFailure',
};

/** BullMQ's options, which stand in Redis under short names. */
export function readOpts(text: string | undefined): JobsOptions & Record<string, unknown> {
	const opts: Record<string, unknown> = {};
	const telemetry: Record<string, unknown> = {};
	for (const [name, value] of Object.entries(parsed(text) as Record<string, unknown> ?? {}))
		if (name === 'tm')
			telemetry['metadata'] = value;
		else if (name === 'omc')
			telemetry['omitContext'] = value;
		else
			opts[SHORT[name] ?? name] = value;
	return Object.keys(telemetry).length ? { ...opts, telemetry } : opts;
}

/** What a child's failure means to its parent; BullMQ lets a parent wait for ever where nothing is said. */
export function onFailure(opts: JobsOptions): string {
	return opts.failParentOnFailure ? 'fail' : opts.continueParentOnFailure ? 'continue' : opts.ignoreDependencyOnFailure ? 'ignore'
		: opts.removeDependencyOnFailure ? 'forget' : 'hold';
}

/** When a delayed job is due, out of its score. */
export function dueOf(score: number): number {
	return Math.floor(score / SEQUENCE);
}

/** `ids`: the last number that Redis gave in this queue. */
export function moveJob(place: Place, job: StoredJob, ids: number): Moved {
	const { fields, state } = job;
	const data = fields['data'] ?? '{}', opts = readOpts(fields['opts']);
	if (fields['name'] === undefined || parsed(data) === undefined)
		return { reason: fields['name'] === undefined ? 'its data is gone from Redis' : 'its data is no JSON' };
	const differences: string[] = [];
	const ended = state === 'completed' || state === 'failed' ? state : undefined;
	const named = nameFits(fields['name']), priority = Number(fields['priority'] ?? opts.priority ?? 0) || 0;
	const op = {
		op: 'enqueue', compat: 'bullmq', ...place, id: job.id, ...(named ? { name: fields['name'] } : {}),
		metadata: {
			opts: storedOpts(opts), timestamp: Number(fields['timestamp'] ?? 0), ...(fields['rjk'] ? { repeatJobKey: fields['rjk'] } : {}),
			...(named ? {} : { name: fields['name'] }),
		},
		...(priority > 0 ? { priority } : {}),
		max_attempts: attemptsOf(opts),
		...(ended ? {} : whenOf(job, opts)),
		...(job.parents?.length ? { parents: job.parents } : {}),
		...(ended || job.parents?.length ? {} : dedupOwned(job, opts)),
		past: pastOf(job, ended, ids, differences),
	};
	return { json: `${JSON.stringify(op).slice(0, -1)},"payload":${data}}`, differences };
}

function whenOf({ state, score }: StoredJob, opts: JobsOptions): object {
	if (state === 'delayed')
		return { run_at: new Date(dueOf(score ?? 0)).toISOString() };
	if (state !== 'waiting-children')
		return {};
	return { waits: true, ...(opts.delay && opts.delay > 0 ? { delay_ms: Math.trunc(opts.delay) } : {}) };
}

function dedupOwned({ dedupMs }: StoredJob, opts: JobsOptions): object {
	if (dedupMs === undefined || !opts.deduplication?.id)
		return {};
	const { ttl, ...rest } = opts.deduplication;
	void ttl; // what is left of it counts
	return { dedup: dedupOf({ ...rest, ...(dedupMs > 0 ? { ttl: dedupMs } : {}) }) };
}

function pastOf(job: StoredJob, ended: 'completed' | 'failed' | undefined, ids: number, differences: string[]): object {
	const { fields } = job;
	const started = count(fields['ats']) || count(fields['attemptsMade'] ?? fields['atm']) || (fields['processedOn'] ? 1 : 0);
	const errors = errorsOf(fields, Math.max(1, started), differences);
	const past = {
		...(ended ? { state: ended } : {}),
		attempts_started: Math.max(started, errors.length), attempts_made: count(fields['attemptsMade'] ?? fields['atm']),
		stalls: Math.min(count(fields['stc']), 65_535),
		...(!ended && errors.length && fields['failedReason'] === undefined ? { redone: true } : {}),
		...(!ended && job.state !== 'waiting-children' && fields['defa'] ? { deferred: fields['defa'] } : {}), // the worker that claims it fails it, as there
		started_at: instant(fields['processedOn']), finished_at: ended ? instant(fields['finishedOn']) : undefined,
		...(nameFits(fields['pb']) ? { worker: fields['pb'] } : {}),
		...(ended === 'completed' ? bounded('result', fields['returnvalue'], RESULT_BYTES, 'result above 256 KiB is left out', differences) : {}),
		...(fields['progress'] === '0' ? {} : bounded('progress', fields['progress'], PROGRESS_BYTES, 'progress above 16 KiB is left out', differences)),
		...(errors.length ? { errors } : {}),
		...(job.logs?.length ? { logs: job.logs.map((line) => cut(line, differences)) } : {}),
		...(job.children?.length ? { children: job.children } : {}),
		ids,
	};
	return past;
}

/** What its attempts threw: BullMQ keeps their stacks, and of the last one its message too. */
function errorsOf(fields: StoredJob['fields'], most: number, differences: string[]): WireError[] {
	const stacks = parsed(fields['stacktrace']);
	const reason = fields['failedReason'];
	const errors: { message: string; stack?: string }[] = (Array.isArray(stacks) ? stacks : [])
		.filter((stack): stack is string => typeof stack === 'string').map((stack) => ({ message: firstLine(stack), stack }));
	if (reason !== undefined && errors.length)
		errors[errors.length - 1] = { ...errors.at(-1)!, message: reason };
	else if (reason !== undefined)
		errors.push({ message: reason });
	if (errors.some((error) => Buffer.byteLength(error.stack ?? '') > PROGRESS_BYTES))
		differences.push('stack above 16 KiB is cut');
	return errors.slice(-Math.min(most, ERRORS_MAX));
}

function firstLine(stack: string): string {
	return (stack.split('\n', 1)[0] ?? '').replace(/^[A-Za-z]*Error: /, '');
}

function bounded(name: string, text: string | undefined, most: number, otherwise: string, differences: string[]): object {
	if (text === undefined)
		return {};
	const value = parsed(text);
	if (Buffer.byteLength(text) <= most)
		return { [name]: value === undefined ? text : value };
	differences.push(otherwise);
	return {};
}

function cut(line: string, differences: string[]): string {
	const bytes = Buffer.from(line);
	if (bytes.length <= LINE_BYTES)
		return line;
	differences.push('log line above 8 KiB is cut');
	return bytes.subarray(0, LINE_BYTES).toString('utf8').replace(/\ufffd+$/, '');
}

function count(text: string | undefined): number {
	return Math.max(0, Math.trunc(Number(text ?? 0)) || 0);
}

function instant(text: string | undefined): string | undefined {
	const at = Number(text);
	return text && Number.isFinite(at) ? new Date(at).toISOString() : undefined;
}

/** The value of a JSON text; undefined when it is none. */
export function parsed(text: string | undefined): unknown {
	try {
		return text === undefined ? undefined : JSON.parse(text) as unknown;
	} catch {
		return undefined;
	}
}
