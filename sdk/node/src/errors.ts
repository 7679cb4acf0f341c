// What can go wrong between a program and the daemon. Every error of this package is a RucheError with a stable `code`.
import { brand } from './brand.js';
import type { SchemaIssue } from './schema.js';

/** The base of all errors of this package. */
export class RucheError extends Error {
	override name = 'RucheError';
	/** Stable, to program against: the problem's code when the daemon refused, otherwise `unreachable`, `timed_out`, `invalid_payload`, … */
	readonly code: string;

	constructor(code: string, message: string, options?: { cause?: unknown }) {
		super(message, options);
		this.code = code;
	}
}
brand('RucheError', RucheError);

/** A problem as the daemon writes it (RFC 9457). */
export interface Problem {
	readonly type: string;
	readonly title: string;
	readonly status: number;
	readonly code: string;
	readonly detail?: string;
	/** The path of what is wrong: a body's field, a parameter, a header. */
	readonly field?: string;
}

/** The daemon refused. `code` says why, `status` is the HTTP status, `field` what was wrong with the request, as the API names it. */
export class ProblemError extends RucheError {
	override name = 'ProblemError';
	readonly status: number;
	readonly field: string | undefined;
	/** What happened in this case, in words. */
	readonly detail: string;
	/** What this code means, in words. */
	readonly title: string;
	/** Milliseconds that the daemon asked to wait before a repeat, if it did. */
	readonly retryAfterMs: number | undefined;

	constructor(problem: Problem, retryAfterMs?: number) {
		const detail = problem.detail ?? problem.title;
		super(problem.code, `${problem.field ? `${problem.field}: ` : ''}${detail} (${problem.code})`);
		this.status = problem.status;
		this.field = problem.field;
		this.detail = detail;
		this.title = problem.title;
		this.retryAfterMs = retryAfterMs;
	}
}
brand('ProblemError', ProblemError);

/** A field has a value that cannot be used, or is not known: `field` names it (`invalid_field`, `unknown_field`, `malformed_json`, `too_large`). */
export class InvalidFieldError extends ProblemError {
	override name = 'InvalidFieldError';
}
brand('InvalidFieldError', InvalidFieldError);

/** The token is missing or unknown (`unauthorized`), or lacks a scope (`forbidden`). */
export class AccessError extends ProblemError {
	override name = 'AccessError';
}
brand('AccessError', AccessError);

/** No such job, queue, limit or address (`job_not_found`, `queue_not_found`, `limit_not_found`, `chain_not_found`, `not_found`). */
export class NotFoundError extends ProblemError {
	override name = 'NotFoundError';
}
brand('NotFoundError', NotFoundError);

/** The lease is over: somebody else may run the job, nothing was changed (`stale_lease`, `no_lease`). */
export class StaleLeaseError extends ProblemError {
	override name = 'StaleLeaseError';
}
brand('StaleLeaseError', StaleLeaseError);

/** The state of the job, or of the endpoint, does not allow it, or it contradicts what is there (`illegal_state`, `conflict`, `idempotency_mismatch`, …). */
export class ConflictError extends ProblemError {
	override name = 'ConflictError';
}
brand('ConflictError', ConflictError);

/** The daemon cannot do it now: a repeat later may succeed (`backlog_full`, `store_full`, `unavailable`, `outcome_unknown`, `too_many_requests`, …). */
export class BusyError extends ProblemError {
	override name = 'BusyError';
}
brand('BusyError', BusyError);

const CLASSES: Readonly<Record<string, typeof ProblemError>> = {
	invalid_field: InvalidFieldError, unknown_field: InvalidFieldError, malformed_json: InvalidFieldError, too_large: InvalidFieldError,
	unauthorized: AccessError, forbidden: AccessError,
	not_found: NotFoundError, job_not_found: NotFoundError, queue_not_found: NotFoundError, limit_not_found: NotFoundError, chain_not_found: NotFoundError,
	parent_not_found: NotFoundError, endpoint_not_found: NotFoundError, message_not_found: NotFoundError, format_not_found: NotFoundError,
	source_not_found: NotFoundError, secret_not_found: NotFoundError, event_type_not_found: NotFoundError,
	stale_lease: StaleLeaseError, no_lease: StaleLeaseError,
	illegal_state: ConflictError, conflict: ConflictError, idempotency_mismatch: ConflictError, compat_mismatch: ConflictError,
	children_pending: ConflictError, children_failed: ConflictError, chain_owned: ConflictError, id_taken: ConflictError, slots_busy: ConflictError,
	parent_taken: ConflictError, secret_sealed: ConflictError, endpoint_owned: ConflictError,
	too_many_requests: BusyError, backlog_full: BusyError, store_full: BusyError, outcome_unknown: BusyError, unavailable: BusyError,
	out_of_memory: BusyError, store_failed: BusyError,
};

/** The error for a problem, of the class that fits its code. @internal */
export function problemError(problem: Problem, retryAfterMs?: number): ProblemError {
	const Class = CLASSES[problem.code] ?? ProblemError;
	return new Class(problem, retryAfterMs);
}

/** Nobody answers at the daemon's address, or the connection broke and could not be made again in time (`unreachable`). */
export class UnreachableError extends RucheError {
	override name = 'UnreachableError';
	/** Where the daemon was looked for. */
	readonly address: string;
	/** False: no connection was made, so nothing was done. True: the connection broke, and the request may have been carried out. */
	readonly mayHaveArrived: boolean;

	constructor(address: string, what: string, mayHaveArrived: boolean, cause?: unknown) {
		super('unreachable', `cannot reach Ruche at ${address}: ${what}. Does the daemon run there, and is RUCHE_URL (or \`url\`) right?`, { cause });
		this.address = address;
		this.mayHaveArrived = mayHaveArrived;
	}
}
brand('UnreachableError', UnreachableError);

/** The daemon was reached, but did not answer in time; or a job did not end within the time that a caller wanted to wait (`timed_out`). */
export class TimedOutError extends RucheError {
	override name = 'TimedOutError';

	constructor(message: string, cause?: unknown) {
		super('timed_out', message, { cause });
	}
}
brand('TimedOutError', TimedOutError);

/** A payload does not fit the queue's schema (`invalid_payload`). Nothing was sent. */
export class InvalidPayloadError extends RucheError {
	override name = 'InvalidPayloadError';
	/** What the schema says, one issue for each place. */
	readonly issues: readonly SchemaIssue[];

	constructor(queue: string, issues: readonly SchemaIssue[], places: readonly string[]) {
		const said = issues.map((issue, i) => `${places[i] ? `${places[i]}: ` : ''}${issue.message}`).join('; ');
		super('invalid_payload', `the payload does not fit the schema of queue '${queue}': ${said}`);
		this.issues = issues;
	}
}
brand('InvalidPayloadError', InvalidPayloadError);

/** Somebody waited for a job's result, and it ended without one (`job_failed`, `job_cancelled`, `job_expired`). */
export class JobEndedError extends RucheError {
	override name = 'JobEndedError';
	readonly uid: string;
	/** The final state: `failed`, `cancelled` or `expired`. */
	readonly state: string;
	/** Why, as the daemon words it: `attempts_spent`, `final_error`, `stalled`, `by_hand`, `ttl`, `child_failed`. */
	readonly outcome: string | null;
	/** The last attempt's error, if there was one. */
	readonly error: { readonly type?: string; readonly message?: string; readonly stack?: string } | null;

	constructor(job: { uid: string; id: string; queue: string; state: string; outcome: string | null; error: JobEndedError['error'] }) {
		super(`job_${job.state}`, `job '${job.id}' of queue '${job.queue}' is ${job.state}${job.outcome ? ` (${job.outcome})` : ''}${
			job.error?.message ? `: ${job.error.message}` : ''}`);
		this.uid = job.uid;
		this.state = job.state;
		this.outcome = job.outcome;
		this.error = job.error;
	}
}
brand('JobEndedError', JobEndedError);

/** Of several jobs enqueued at once without `atomic`, some were refused (`partly_refused`). The others are on disk. */
export class PartlyRefusedError<Result = unknown> extends RucheError {
	override name = 'PartlyRefusedError';
	/** In the order of the jobs: what was made of each, or why it was refused. */
	readonly results: readonly (Result | ProblemError)[];

	constructor(results: readonly (Result | ProblemError)[]) {
		const refused = results.filter((result): result is ProblemError => result instanceof ProblemError);
		super('partly_refused', `${refused.length} of ${results.length} jobs were refused; the first: ${refused[0]?.message ?? ''}`);
		this.results = results;
	}
}
brand('PartlyRefusedError', PartlyRefusedError);
