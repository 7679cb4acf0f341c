// Job schedulers, and the repeatable jobs of BullMQ 5 that came before them: each has one job that is to run next, and that job carries what the
// older ones keep nowhere else.
import type { JobsOptions, RepeatableOptions } from 'bullmq';
import type { StoredScheduler } from './redis-queue.js';
import { readOpts, type StoredJob } from './stored-job.js';

export interface MovedScheduler {
	readonly key: string;
	readonly next: number;
	/** JSON. */
	readonly data: string;
	readonly template: JobsOptions;
	readonly repeat: RepeatableOptions;
	/** Options of the job that runs next. */
	readonly iteration: JobsOptions;
}

/** What a scheduler's jobs have in common with none of the others. */
const OWN: ReadonlySet<string> = new Set(['repeat', 'jobId', 'delay', 'prevMillis', 'count', 'repeatJobKey', 'timestamp', 'deduplication', 'parent']);

/** The scheduler's key in the id of one of its jobs, `repeat:KEY:MILLISECONDS`. */
export function keyOf(job: StoredJob): string | undefined {
	return job.fields['rjk'] ?? (/^repeat:(.*):\d+$/s.exec(job.id))?.[1];
}

export function millisOf(id: string): number {
	return Number(id.slice(id.lastIndexOf(':') + 1));
}

/** `pending`: its job that is to run next. A reason instead, when it cannot be moved. */
export function moveScheduler({ key, next, fields }: StoredScheduler, pending: StoredJob | undefined): MovedScheduler | { readonly reason: string } {
	const opts = pending ? readOpts(pending.fields['opts']) : {};
	const repeat = repeatOf(key, fields, (opts.repeat ?? {}) as RepeatableOptions, pending?.fields['name']);
	if (!pending)
		return { reason: 'scheduler without a next job: it has ended (limit, endDate), or its job was removed' };
	if (!repeat.every && !repeat.pattern)
		return { reason: 'scheduler without an interval and without a pattern' };
	const own = fields['opts'] !== undefined ? readOpts(fields['opts']) : fields['ic'] !== undefined ? {} : opts;
	const template = Object.fromEntries(Object.entries(own).filter(([name]) => !OWN.has(name))) as JobsOptions;
	const data = fields['data'] ?? (fields['ic'] === undefined ? pending.fields['data'] : undefined) ?? '{}';
	const { jobId: _id, ...rest } = opts as JobsOptions & { repeat?: object };
	const iteration = { ...rest, repeat: { ...(rest.repeat ?? {}), ...repeat, count: countOf(rest.repeat) } } as JobsOptions;
	return { key, next, data, template, repeat: repeat.every ? { ...repeat, offset: next % repeat.every, startDate: next } : repeat, iteration };
}

function countOf(repeat: object | undefined): number {
	return Number((repeat as { count?: number } | undefined)?.count ?? 1) || 1;
}

/** Out of the hash; where there is none, as before BullMQ 5, out of the key `name:id:endDate:tz:pattern` and the job's own options. */
function repeatOf(key: string, fields: StoredScheduler['fields'], job: RepeatableOptions, name: string | undefined): RepeatableOptions {
	const parts = Object.keys(fields).length ? [] : key.split(':');
	const number = (text: string | undefined): number | undefined => (text && Number.isFinite(Number(text)) ? Number(text) : undefined);
	const every = number(fields['every']) ?? number(String(job.every ?? ''));
	const pattern = every ? undefined : fields['pattern'] ?? job.pattern ?? (parts.slice(4).join(':') || undefined);
	const repeat = {
		name: fields['name'] ?? name ?? parts[0], every, pattern, tz: fields['tz'] ?? job.tz ?? (parts[3] || undefined),
		limit: number(fields['limit']) ?? job.limit, startDate: number(fields['startDate']), endDate: number(fields['endDate']) ?? number(parts[2]),
	};
	return Object.fromEntries(Object.entries(repeat).filter(([, value]) => value !== undefined)) as unknown as RepeatableOptions;
}
