// Why a handler's AbortSignal fired: `signal.reason` is one of these.
import { brand } from './brand.js';
import { RucheError } from './errors.js';

/** The reason of an aborted job; `kind` tells them apart without `instanceof`. */
export abstract class JobAbort extends RucheError {
	abstract readonly kind: 'cancel' | 'timeout' | 'lease_lost' | 'shutdown';
}
brand('JobAbort', JobAbort);

/** Somebody cancelled the job. If the handler throws, the job is `cancelled`; if it returns, `completed` all the same. */
export class JobCancelled extends JobAbort {
	override name = 'JobCancelled';
	readonly kind = 'cancel';
	constructor() {
		super('cancelled', 'the job was cancelled');
	}
}
brand('JobCancelled', JobCancelled);

/** The attempt ran longer than the job's `timeoutMs`: the daemon counts it as failed, what the handler still returns is dropped. */
export class JobTimedOut extends JobAbort {
	override name = 'JobTimedOut';
	readonly kind = 'timeout';
	constructor(timeoutMs: number) {
		super('timed_out', `the attempt took longer than its ${timeoutMs} ms`);
	}
}
brand('JobTimedOut', JobTimedOut);

/** The job is no longer this worker's: another may run it, what the handler still returns is dropped. */
export class LeaseLost extends JobAbort {
	override name = 'LeaseLost';
	readonly kind = 'lease_lost';
	constructor(detail: string) {
		super('lease_lost', `the lease is lost: ${detail}`);
	}
}
brand('LeaseLost', LeaseLost);

/** The worker closes and its deadline has come: the job is handed back and costs nothing, unless the handler returns at once. */
export class ShuttingDown extends JobAbort {
	override name = 'ShuttingDown';
	readonly kind = 'shutdown';
	constructor() {
		super('shutdown', 'the worker is shutting down; the job is handed back');
	}
}
brand('ShuttingDown', ShuttingDown);
