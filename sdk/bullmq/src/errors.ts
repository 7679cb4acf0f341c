// What goes wrong, in BullMQ's words where it has some: its codes −1 to −11 with its texts; all else says the field and the reason.
import { ErrorCode, UnrecoverableError } from 'bullmq';

/** A problem as the daemon writes it (RFC 9457). */
export interface Problem {
	readonly title: string;
	readonly status: number;
	readonly code: string;
	readonly detail?: string;
	/** The path of what is wrong. */
	readonly field?: string;
}

/** The daemon refused, for a reason that BullMQ has no code for. */
export class RucheError extends Error {
	override name = 'RucheError';
	/** Stable: the problem's code. */
	readonly code: string;
	readonly status: number;
	/** What was wrong with the call, by the name that the caller gave it; where there is none, as the API names it. */
	field: string | undefined;

	constructor(problem: Problem) {
		super(`${problem.field ? `${problem.field}: ` : ''}${problem.detail ?? problem.title} (${problem.code})`);
		this.code = problem.code;
		this.status = problem.status;
		this.field = problem.field;
	}
}

/** Lets an error say something else: what is printed of it begins with what it said when it was made. */
export function reword(error: Error, message: string): void {
	const { stack, message: before } = error;
	error.message = message;
	if (stack !== undefined)
		error.stack = stack.replace(before, () => message);
}

/** Nobody answers. BullMQ knows a broken connection by this code, and goes on by itself. */
export class UnreachableError extends Error {
	override name = 'UnreachableError';
	readonly code = 'ECONNREFUSED';

	constructor(address: string, what: string, readonly mayHaveArrived: boolean) {
		super(`cannot reach Ruche at ${address}: ${what}. Does the daemon run there, and is \`connection\` right?`);
	}
}

/** The daemon at this address lacks something that the adapter needs. */
export class TooOldError extends Error {
	override name = 'TooOldError';
	readonly code = 'not_supported';

	constructor(what: string) {
		super(`${what}; update the daemon (\`ruche version\`), or use the version of @ruche/bullmq that came with it`);
	}
}

const CODES: Readonly<Record<string, ErrorCode>> = {
	job_not_found: ErrorCode.JobNotExist,
	queue_not_found: ErrorCode.JobNotExist,
	no_lease: ErrorCode.JobLockNotExist,
	illegal_state: ErrorCode.JobNotInState,
	children_pending: ErrorCode.JobPendingChildren,
	parent_not_found: ErrorCode.ParentJobNotExist,
	stale_lease: ErrorCode.JobLockMismatch,
	parent_taken: ErrorCode.ParentJobCannotBeReplaced,
	chain_owned: ErrorCode.JobBelongsToJobScheduler,
	children_failed: ErrorCode.JobHasFailedChildren,
	id_taken: ErrorCode.SchedulerJobIdCollision,
	slots_busy: ErrorCode.SchedulerJobSlotsBusy,
};

/** What BullMQ says about a call. */
export interface Saying {
	readonly command: string;
	readonly jobId?: string | undefined;
	readonly parentKey?: string | undefined;
	readonly state?: string | undefined;
	/** What a job that is not there is called, if it is not −1. */
	readonly missing?: ErrorCode;
}

/** The error for a problem, in BullMQ's words if it has them. */
export function problemError(problem: Problem, saying?: Saying): Error {
	const code = problem.code === 'job_not_found' ? saying?.missing ?? CODES[problem.code] : CODES[problem.code];
	if (saying && code !== undefined)
		return finishedError(code, saying);
	const field = problem.field ?? '';
	if (problem.code === 'not_found')
		return new TooOldError(`this daemon lacks an address that ${saying?.command ?? 'the adapter'} needs (${problem.detail ?? problem.code})`);
	if (problem.code === 'unknown_field' || (problem.code === 'invalid_field' && /(^|\.)op$/.test(field)))
		return new TooOldError(`this daemon does not know '${field}'${saying ? ` of ${saying.command}` : ''} (${problem.detail ?? problem.code})`);
	return new RucheError(problem);
}

/** In BullMQ's words, if it has a code for this one of the daemon's. */
export function codedError(code: string, saying: Saying): Error | undefined {
	return CODES[code] === undefined ? undefined : finishedError(CODES[code], saying);
}

/** As BullMQ's `finishedErrors`, which it does not export. */
function finishedError(code: ErrorCode, { command, jobId, parentKey, state }: Saying): Error {
	const texts: Readonly<Record<number, string>> = {
		[ErrorCode.JobNotExist]: `Missing key for job ${jobId}. ${command}`,
		[ErrorCode.JobLockNotExist]: `Missing lock for job ${jobId}. ${command}`,
		[ErrorCode.JobNotInState]: `Job ${jobId} is not in the ${state} state. ${command}`,
		[ErrorCode.JobPendingChildren]: `Job ${jobId} has pending dependencies. ${command}`,
		[ErrorCode.ParentJobNotExist]: `Missing key for parent job ${parentKey}. ${command}`,
		[ErrorCode.JobLockMismatch]: `Lock mismatch for job ${jobId}. Cmd ${command} from ${state}`,
		[ErrorCode.ParentJobCannotBeReplaced]: `The parent job ${parentKey} cannot be replaced. ${command}`,
		[ErrorCode.JobBelongsToJobScheduler]: `Job ${jobId} belongs to a job scheduler and cannot be removed directly. ${command}`,
		[ErrorCode.JobHasFailedChildren]: `Cannot complete job ${jobId} because it has at least one failed child. ${command}`,
		[ErrorCode.SchedulerJobIdCollision]: `Cannot create job scheduler iteration - job ID already exists. ${command}`,
		[ErrorCode.SchedulerJobSlotsBusy]: `Cannot create job scheduler iteration - current and next time slots already have jobs. ${command}`,
	};
	const text = texts[code] ?? `Unknown code ${code} error for ${jobId}. ${command}`;
	return Object.assign(code === ErrorCode.JobHasFailedChildren ? new UnrecoverableError(text) : new Error(text), { code });
}
