// What a handler may throw to decide what follows. Any other error leaves it to the job's retry policy.
import { brand } from './brand.js';
import { RucheError } from './errors.js';

/** The job fails for good, whatever attempts are left. */
export class NonRetryableError extends RucheError {
	override name = 'NonRetryableError';

	constructor(message: string, options?: { cause?: unknown }) {
		super('non_retryable', message, options);
	}
}
brand('NonRetryableError', NonRetryableError);

/** The name under which BullMQ's users know NonRetryableError. */
export { NonRetryableError as UnrecoverableError };

export interface HoldBack {
	/** Who else starts nothing until then: the job's `group`, its `queue`, or a limit of its namespace, by its name. */
	backOff?: 'group' | 'queue' | (string & {});
}

/** The attempt failed; the next one begins after `ms` milliseconds, if attempts are left. */
export class RetryAfterError extends RucheError {
	override name = 'RetryAfterError';
	readonly ms: number;
	readonly backOff: string | undefined;

	/** `ms`: milliseconds from now, 0 to ten years. */
	constructor(ms: number, message = `try again in ${ms} ms`, options?: { cause?: unknown } & HoldBack) {
		super('retry_after', message, options);
		this.ms = wholeMs(ms);
		this.backOff = options?.backOff;
	}
}
brand('RetryAfterError', RetryAfterError);

/** Not now: the job comes again after `ms` milliseconds. Costs no attempt. */
export class SnoozeError extends RucheError {
	override name = 'SnoozeError';
	readonly ms: number;
	readonly backOff: string | undefined;

	constructor(ms: number, message = `again in ${ms} ms`, options?: HoldBack) {
		super('snooze', message);
		this.ms = wholeMs(ms);
		this.backOff = options?.backOff;
	}
}
brand('SnoozeError', SnoozeError);

const MS_MAX = 315_360_000_000; // ten years, the daemon's longest duration

function wholeMs(ms: number): number {
	if (!(ms >= 0 && ms <= MS_MAX))
		throw new RangeError(`milliseconds are from 0 to ${MS_MAX} (ten years), not ${ms}`);
	return Math.ceil(ms);
}
