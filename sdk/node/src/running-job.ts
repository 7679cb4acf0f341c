// One job in a worker's hands, from its grant until its outcome is on disk.
import { JobCancelled, JobTimedOut, LeaseLost, type JobAbort } from './abort.js';
import type { Batcher, OpResult } from './batcher.js';
import { InvalidFieldError, RucheError } from './errors.js';
import type { Child, Job, JobFailure } from './job.js';
import type { Connection } from './connection.js';
import { JobHandle } from './job-handle.js';
import { NonRetryableError, RetryAfterError, SnoozeError } from './verdict.js';
import type { LeaseHolder, Leases, Wire } from './wire.js';

const LOG_LINE_BYTES = 8_192;
const PROGRESS_BYTES = 16_384;
const TIMER_MAX_MS = 2_147_483_647;
const HEAD_START_MS = 500;
const ERROR_TEXT_MAX = 16_384; // characters; the daemon keeps 16 KiB

/** What a handler gets beside the job. */
export interface JobContext {
	/** Fires when the work is in vain or must end: `signal.reason` is a JobCancelled, JobTimedOut, LeaseLost or ShuttingDown. Hand it to `fetch` and the like. */
	readonly signal: AbortSignal;
	/** Keeps a line (at most 8 KiB, cut beyond) with the job. Returns at once; the lines are on disk before the job's outcome is. */
	log(line: string): void;
	/** Keeps how far the job is: any JSON up to 16 KiB, the last one counts. Returns at once. Throws RangeError when it is larger. */
	progress(value: unknown): void;
	/**
	 * Gives the job back until its children have ended: those that this handler has enqueued with the job among their `parents`. True: return now, whatever you
	 * return is dropped, and the job is handed out again when they have; it costs no attempt. False: there is nobody to wait for, go on.
	 */
	awaitChildren(): Promise<boolean>;
	/** The job's children, what became of them, and their results. */
	children<Result = unknown>(): Promise<Child<Result>[]>;
	/** There was nothing to do: if the handler returns, the job is completed with the outcome `filtered` instead of `success`. */
	filtered(): void;
}

/** How an attempt ended, as it was told to the daemon. @internal */
export type Outcome = 'completed' | 'failed' | 'snoozed' | 'released';

/** What the jobs of a worker share. @internal */
export interface Desk {
	readonly outbox: Batcher;
	readonly wire: Wire;
	readonly connection: Connection;
	/** A log line or progress was refused, or whom an error should have held back. */
	readonly onNote: (error: Error) => void;
}

/** @internal */
export class RunningJob<Payload> implements JobContext, LeaseHolder {
	readonly job: Job<Payload>;
	#controller: AbortController | undefined; // made when somebody asks for the signal: most handlers do not
	#reason: JobAbort | undefined;
	readonly #leases: Leases;
	readonly #desk: Desk;
	#timer: NodeJS.Timeout | undefined;
	/** When it was granted, about. */
	readonly begun = performance.now();
	#ended = false;
	#filtered = false;
	#handedBack = false;
	#dropped = false;

	constructor(job: Job<Payload>, leases: Leases, desk: Desk) {
		this.job = job;
		this.#leases = leases;
		this.#desk = desk;
		leases.add(this);
		if (job.timeoutMs > 0)
			this.#timer = setTimeout(() => this.abort(new JobTimedOut(job.timeoutMs)), Math.min(job.timeoutMs, TIMER_MAX_MS)).unref();
	}

	cancelled(): void {
		this.abort(new JobCancelled());
	}

	lost(detail: string): void {
		this.abort(this.#late() ? new JobTimedOut(this.job.timeoutMs) : new LeaseLost(detail));
	}

	get signal(): AbortSignal {
		if (!this.#controller) {
			this.#controller = new AbortController();
			if (this.#reason)
				this.#controller.abort(this.#reason);
		}
		return this.#controller.signal;
	}

	/** Why the signal fired, if it did. */
	get aborted(): JobAbort | undefined {
		return this.#reason;
	}

	abort(reason: JobAbort): void {
		if (this.#ended || this.#reason)
			return;
		this.#reason = reason;
		this.#controller?.abort(reason);
	}

	/** The handler is through, or nobody listens to it any more: the signal stays as it is, notes are dropped. */
	end(): void {
		this.#ended = true;
		if (this.#timer)
			clearTimeout(this.#timer);
	}

	// Handlers take these out of the context, so each is bound: when somebody asks for it.

	get log(): JobContext['log'] {
		return (line) => this.#note({ op: 'log', line: cutBytes(String(line), LOG_LINE_BYTES) });
	}

	get progress(): JobContext['progress'] {
		return (value) => this.#progress(value);
	}

	get filtered(): JobContext['filtered'] {
		return () => {
			this.#filtered = true;
		};
	}

	get awaitChildren(): JobContext['awaitChildren'] {
		return () => this.#awaitChildren();
	}

	get children(): JobContext['children'] {
		return <Result>() => this.#children<Result>();
	}

	#progress(value: unknown): void {
		const bytes = Buffer.byteLength(JSON.stringify(value) ?? 'null');
		if (bytes > PROGRESS_BYTES)
			throw new RangeError(`progress is at most ${PROGRESS_BYTES} bytes of JSON, not ${bytes}`);
		this.#note({ op: 'progress', progress: value ?? null }, (answer) => {
			if (answer['cancel_requested'])
				this.abort(new JobCancelled());
		});
	}

	async #awaitChildren(): Promise<boolean> {
		if (this.#handedBack)
			return true;
		const { state } = await this.#say({ op: 'await_children' });
		this.#handedBack = state !== 'active';
		if (this.#handedBack)
			this.drop();
		return this.#handedBack;
	}

	/** It waits for its children: there is nothing more to be said of this attempt. */
	get handedBack(): boolean {
		return this.#handedBack;
	}

	async #children<Result>(): Promise<Child<Result>[]> {
		const all: Child<Result>[] = [];
		for await (const child of new JobHandle(this.#desk.connection, { uid: this.job.uid }).children<Result>())
			all.push(child);
		return all;
	}

	/** As `complete`, without a promise. Throws when the result is no JSON. */
	tellResult(result: unknown, settle: () => void, refuse: (error: Error) => void): void {
		const { uid, fence } = this.job;
		const filtered = this.#filtered ? ',"filtered":true' : '';
		this.#desk.outbox.push(`{"op":"complete","uid":"${uid}","token":"${this.#leases.token}","fence":${fence},"result":${JSON.stringify(result ?? null) ?? 'null'}${filtered}}`,
			settle, refuse);
	}

	/** Tells the daemon what the handler returned. Rejects with its refusal. */
	async complete(result: unknown): Promise<Outcome> {
		await this.#say({ op: 'complete', result: result ?? null, ...(this.#filtered ? { filtered: true } : {}) });
		return 'completed';
	}

	/** Tells the daemon what the handler threw. Rejects with its refusal. */
	async fail(error: unknown): Promise<Outcome> {
		if (error instanceof SnoozeError) {
			await this.#sayHolding({ op: 'snooze', delay_ms: error.ms }, error);
			return 'snoozed';
		}
		await this.#sayHolding({ op: 'fail', error: failure(error), verdict: verdict(error) }, error);
		return 'failed';
	}

	/** What became of the job is worth more than whom it should have held back: a limit may be misspelt, or gone. */
	async #sayHolding(op: object, error: unknown): Promise<void> {
		try {
			await this.#say({ ...op, ...heldBack(error) });
		} catch (refused) {
			if (!(refused instanceof InvalidFieldError && refused.field?.startsWith('back_off')))
				throw refused;
			await this.#say(op);
			this.#desk.onNote(refused);
		}
	}

	/** Hands the job back: it costs nothing. */
	async release(): Promise<Outcome> {
		await this.#say({ op: 'release' });
		return 'released';
	}

	/** No more heartbeats. */
	drop(): void {
		if (this.#dropped)
			return;
		this.#dropped = true;
		this.#desk.wire.drop(this.#leases, this);
	}

	/** Did the daemon end the attempt for its time? Its clock began with the grant, a little before ours, and its heartbeat may tell before our timer. */
	#late(): boolean {
		const { timeoutMs } = this.job;
		return timeoutMs > 0 && performance.now() - this.begun >= timeoutMs - Math.max(HEAD_START_MS, timeoutMs / 20);
	}

	#say(op: object): Promise<OpResult> {
		return this.#desk.outbox.add(JSON.stringify({ ...op, uid: this.job.uid, token: this.#leases.token, fence: this.job.fence }));
	}

	#note(op: object, answered?: (answer: OpResult) => void): void {
		if (!this.#ended && this.aborted?.kind !== 'lease_lost')
			this.#say(op).then(answered, this.#desk.onNote);
	}
}

/** Who else is to wait, as the API says it. */
function heldBack(error: unknown): object {
	if (!(error instanceof RetryAfterError || error instanceof SnoozeError) || error.backOff === undefined)
		return {};
	return { back_off: { scope: error.backOff, delay_ms: error.ms } };
}

function verdict(error: unknown): string | { delay_ms: number } {
	if (error instanceof NonRetryableError || (error instanceof RucheError && error.code === 'invalid_payload'))
		return 'final';
	return error instanceof RetryAfterError ? { delay_ms: error.ms } : 'policy';
}

/** What is told of an error: never so much that the telling fails. */
function failure(error: unknown): JobFailure {
	if (!(error instanceof Error))
		return { type: 'Error', message: text(error) };
	return {
		type: cutBytes(text(error.name || 'Error'), 255), message: text(error.message).slice(0, ERROR_TEXT_MAX),
		...(error.stack ? { stack: text(error.stack).slice(0, ERROR_TEXT_MAX) } : {}),
	};
}

function text(value: unknown): string {
	try {
		return wellFormed(typeof value === 'string' ? value : typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value));
	} catch {
		return Object.prototype.toString.call(value);
	}
}

/** Halves of characters are no UTF-8, and NUL is refused: both become U+FFFD. */
function wellFormed(value: string): string {
	return Buffer.from(value, 'utf8').toString('utf8').replaceAll('\0', '\uFFFD');
}

function cutBytes(value: string, max: number): string {
	const whole = wellFormed(value);
	if (Buffer.byteLength(whole) <= max)
		return whole;
	let end = Math.min(whole.length, max);
	while (Buffer.byteLength(whole.slice(0, end)) > max - 3)
		end -= Math.max(1, (Buffer.byteLength(whole.slice(0, end)) - max + 3) >> 2);
	return `${wellFormed(whole.slice(0, end)).replace(/\uFFFD$/, '')}…`;
}
