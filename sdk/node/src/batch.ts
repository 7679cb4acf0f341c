// A batch in a worker's hands: jobs of one group that one call of the handler works off, each with an outcome of its own.
import { RucheError } from './errors.js';
import type { Job } from './job.js';
import type { JobContext, RunningJob } from './running-job.js';
import { validated, type Schema } from './schema.js';

const BATCH_MAX = 1_000; // as the daemon allows

/** Several jobs of one group at a time. */
export interface BatchOptions {
	/** At most so many jobs, 1 to 1,000. */
	max: number;
	/** Groups with fewer waiting jobs are left (1) … */
	min?: number;
	/** … until their oldest job has waited so many milliseconds. Needed with `min` above 1. */
	waitMs?: number;
}

/** A job of a batch, with what a handler of single jobs gets beside it. */
export interface BatchJob<Payload = unknown> extends Job<Payload>, JobContext {
	/** This one has failed, whatever becomes of the others: what a handler of single jobs would throw. */
	fail(error: unknown): void;
}

/** What a handler gets beside a batch. */
export interface BatchContext {
	/** Fires when the work on every job of the batch is in vain or must end; each job has a signal of its own. */
	readonly signal: AbortSignal;
}

/** Works off a batch: returns a result for each job, in order, or nothing. What it throws fails all jobs but those that have failed by themselves. */
export type BatchHandler<Payload, Result> = (jobs: readonly BatchJob<Payload>[], context: BatchContext) => BatchResults<Result> | Promise<BatchResults<Result>>;
type BatchResults<Result> = readonly Result[] | void;

/** How one job of it ended. @internal */
export type BatchEnd<Result> = { readonly result: Result } | { readonly error: unknown };

/** @internal */
export function checkBatch({ max, min = 1, waitMs }: BatchOptions): void {
	if (!Number.isInteger(max) || max < 1 || max > BATCH_MAX)
		throw new RangeError(`batch.max is a whole number from 1 to ${BATCH_MAX}, not ${max}`);
	if (!Number.isInteger(min) || min < 1 || min > max)
		throw new RangeError(`batch.min is a whole number from 1 to batch.max, not ${min}`);
	if (waitMs === undefined ? min > 1 : !Number.isInteger(waitMs) || waitMs < 1)
		throw new RangeError(`batch.waitMs is a whole number of milliseconds from 1, needed with batch.min above 1, not ${waitMs}`);
}

/** What a claim says of it. @internal */
export function batchClaim({ max, min, waitMs }: BatchOptions): object {
	return { group_max: max, ...(min === undefined ? {} : { group_min: min }), ...(waitMs === undefined ? {} : { group_wait_ms: waitMs }) };
}

/** Runs the handler; answers how each job ended, in order. Never rejects. @internal */
export async function runBatch<Payload, Result>(
	runnings: readonly RunningJob<Payload>[], handler: BatchHandler<Payload, Result>, schema: Schema<any, Payload> | undefined,
): Promise<BatchEnd<Result>[]> {
	const ends = new Map<RunningJob<Payload>, BatchEnd<Result>>();
	const jobs: BatchJob<Payload>[] = [], inHand: RunningJob<Payload>[] = [];
	for (const running of runnings) {
		const { job, signal, log, progress, filtered, awaitChildren, children } = running;
		const fail = (error: unknown): void => void ends.set(running, { error });
		try {
			const payload = schema ? await validated(schema, job.payload, job.queue) : job.payload;
			jobs.push({ ...job, payload, signal, log, progress, filtered, awaitChildren, children, fail });
			inHand.push(running);
		} catch (error) {
			fail(error); // it does not fit: the others do not suffer
		}
	}
	if (jobs.length) {
		const outcome = await handled(handler, jobs, allOf(jobs.map(({ signal }) => signal)));
		inHand.forEach((running, i) => {
			if (!ends.has(running))
				ends.set(running, 'error' in outcome ? outcome : { result: outcome.results?.[i] as Result });
		});
	}
	return runnings.map((running) => ends.get(running)!);
}

async function handled<Payload, Result>(
	handler: BatchHandler<Payload, Result>, jobs: readonly BatchJob<Payload>[], signal: AbortSignal,
): Promise<{ readonly results: BatchResults<Result> } | { readonly error: unknown }> {
	try {
		const results = await handler(jobs, { signal });
		if (results !== undefined && (!Array.isArray(results) || results.length !== jobs.length))
			throw new RucheError('bad_batch_results', `a handler of batches returns one result for each of its ${jobs.length} jobs, in order, or nothing`);
		return { results };
	} catch (error) {
		return { error };
	}
}

/** Fires when all of them have, with the reason of the last. */
function allOf(signals: readonly AbortSignal[]): AbortSignal {
	const controller = new AbortController();
	let left = signals.length;
	for (const signal of signals) {
		const fired = (): void => {
			if (--left === 0)
				controller.abort(signal.reason);
		};
		if (signal.aborted)
			fired();
		else
			signal.addEventListener('abort', fired, { once: true });
	}
	return controller.signal;
}
