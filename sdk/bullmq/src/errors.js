// What goes wrong, in BullMQ's words where it has some: its codes −1 to −11 with its texts; all else says the field and the reason.
import { ErrorCode, UnrecoverableError } from 'bullmq';
/** The daemon refused, for a reason that BullMQ has no code for. */
export class RucheError extends Error {
    name = 'RucheError';
    /** Stable: the problem's code. */
    code;
    status;
    /** What was wrong with the request, as the API names it. */
    field;
    constructor(problem) {
        super(`${problem.field ? `${problem.field}: ` : ''}${problem.detail ?? problem.title} (${problem.code})`);
        this.code = problem.code;
        this.status = problem.status;
        this.field = problem.field;
    }
}
/** Nobody answers. BullMQ knows a broken connection by this code, and goes on by itself. */
export class UnreachableError extends Error {
    mayHaveArrived;
    name = 'UnreachableError';
    code = 'ECONNREFUSED';
    constructor(address, what, mayHaveArrived) {
        super(`cannot reach Ruche at ${address}: ${what}. Does the daemon run there, and is \`connection\` right?`);
        this.mayHaveArrived = mayHaveArrived;
    }
}
/** The daemon at this address lacks something that the adapter needs. */
export class TooOldError extends Error {
    name = 'TooOldError';
    code = 'not_supported';
    constructor(what) {
        super(`${what}; update the daemon (\`ruche version\`), or use the version of @ruche/bullmq that came with it`);
    }
}
const CODES = {
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
/** The error for a problem, in BullMQ's words if it has them. */
export function problemError(problem, saying) {
    if (saying && CODES[problem.code] !== undefined)
        return codedError(CODES[problem.code], saying);
    const field = problem.field ?? '';
    if (problem.code === 'unknown_field' || (problem.code === 'invalid_field' && /(^|\.)op$/.test(field)))
        return new TooOldError(`this daemon does not know '${field}'${saying ? ` of ${saying.command}` : ''} (${problem.detail ?? problem.code})`);
    return new RucheError(problem);
}
/** As BullMQ's `finishedErrors`, which it does not export. */
export function codedError(code, { command, jobId, parentKey, state }) {
    const texts = {
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
