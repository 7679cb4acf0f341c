// A worker: claims jobs, runs the handler on them, tells how each ended.
//
// Everything that a worker says goes through its outbox, in order: notes, outcomes, and with the outcomes a claim for the slots that became free. The
// long poll is there for slots that nothing else fills. Both go through the client's thread (wire.ts), which keeps the leases of whatever the answers bring.
import { randomUUID } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { ShuttingDown, type JobAbort } from './abort.js';
import { batchClaim, checkBatch, runBatch, type BatchEnd, type BatchHandler, type BatchOptions } from './batch.js';
import { Batcher, REPEATED, type OpResult } from './batcher.js';
import { workerName, type Connection } from './connection.js';
import { Backoff } from './delay.js';
import { ConflictError, InvalidFieldError, NotFoundError, ProblemError, RucheError, StaleLeaseError, UnreachableError } from './errors.js';
import { jobOf, type Grant, type Job, type JobView } from './job.js';
import { sendPatiently } from './patience.js';
import { Presence } from './presence.js';
import { RunningJob, type Desk, type JobContext, type Outcome } from './running-job.js';
import { validated, type Schema } from './schema.js';
import { closeNoMore, closeOnSignals } from './signals.js';
import { nextTurn, pause, setTimer } from './timers.js';
import { consuming } from './trace.js';
import { NonRetryableError } from './verdict.js';
import { Leases, type Wire } from './wire.js';

/** Why a result is refused that came before the children's: the attempt has failed. */
const CHILDREN: ReadonlySet<string> = new Set(['children_pending', 'children_failed']);
const WAIT_MS = 25_000; // of one long poll
const SOON_MS = 1_000; // nothing came, and nobody was made to wait for it
const CLAIM_MAX = 1_000;
const LAST_WORDS_MS = 5_000; // for outcomes to arrive when everything else is closed;
const HURRIED_WORDS_MS = 500; // when somebody is in a hurry
const TELL_MS = 10_000; // the same trouble is told once in so long
const AHEAD_MS = 10; // as many jobs are claimed ahead as have lately ended in so long;
const AHEAD_TIMES = 4; // the slots;
const HELD_MS = 25; // those that still wait for a slot then are handed back,
const AHEAD_PAUSE_MS = 1_000; // and for a while none are claimed ahead

/** Runs one job; what it returns (any JSON) is the job's result. */
export type Handler<Payload, Result> = (job: Job<Payload>, context: JobContext) => Promise<Result> | Result;

/** One handler for all jobs, or one for each job name. */
export type Handlers<Payload, Result> = Handler<Payload, Result> | { readonly [name: string]: Handler<Payload, Result> };

/** How a worker works. Spans are in milliseconds. */
export interface WorkerOptions<Payload = any> {
	/**
	 * Jobs at once (1). From 2 on, a worker whose jobs are short claims up to four times as many more, so that work goes on while it tells of what ended:
	 * about what ends within 10 ms. They wait in this process, under their leases; what could not begin within 25 ms is handed back, which costs it nothing.
	 */
	concurrency?: number;
	/** Lease of each job, 1 to 86,400,000; the queue's (30,000) when left out. Heartbeats renew it. */
	leaseMs?: number;
	/** Who works, for people. It must be unique; by default made of host, process and a number. */
	name?: string;
	/** Of the queues that are given by name only. */
	namespace?: string;
	/** Checks payloads before the handler gets them; the queue's own when a Queue was given. A payload that does not fit fails for good. */
	schema?: Schema<any, Payload>;
	/** Close when the process gets SIGTERM or SIGINT (true). */
	signals?: boolean;
	/** How long `close` lets jobs finish before it hands them back (20,000). */
	deadlineMs?: number;
	/** How long handlers have to end after ShuttingDown fired (500). */
	graceMs?: number;
}

/** How a worker works off batches of jobs of one group; `concurrency` is of batches then. */
export interface BatchWorkerOptions<Payload = any> extends WorkerOptions<Payload> {
	batch: BatchOptions;
}

/** Events of a worker. */
export interface WorkerEvents<Payload = unknown, Result = unknown> {
	/** The result is on disk. */
	completed: [job: Job<Payload>, result: Result];
	/** The failed attempt is on disk; whether another follows is the daemon's decision. */
	failed: [job: Job<Payload>, error: unknown];
	/** Handed back, or asked to come later. */
	returned: [job: Job<Payload>];
	/** What the handler did does not count any more. */
	lost: [job: Job<Payload>, reason: JobAbort | StaleLeaseError];
	/** Something is wrong with the daemon or the way to it; the worker goes on. Without a listener a line on standard error tells, once in 10 s. */
	error: [error: Error];
	closed: [];
}

/** A queue to claim from. @internal */
export interface WorkQueue {
	readonly queue: string;
	readonly namespace: string;
}

/** Works from its making on, until `close()`. */
export class Worker<Payload = unknown, Result = unknown> extends EventEmitter<WorkerEvents<Payload, Result>> {
	/** Who works, as the daemon knows it. */
	readonly name: string;
	readonly concurrency: number;
	readonly #connection: Connection;
	readonly #queues: readonly WorkQueue[];
	readonly #handlers: Handlers<Payload, Result> | BatchHandler<Payload, Result>;
	readonly #options: WorkerOptions<Payload>;
	readonly #batch: BatchOptions | undefined;
	readonly #wire: Wire;
	readonly #outbox: Batcher;
	readonly #desk: Desk;
	readonly #presence: Presence;
	/** Those whose handler runs. */
	readonly #running = new Set<RunningJob<Payload>>();
	/** Claimed ahead: they wait for a slot, the oldest first. */
	readonly #ready: RunningJob<Payload>[] = [];
	/** Handlers that ended since `#endedSince`, and how many do in AHEAD_MS. */
	#ended = 0;
	#endedSince = performance.now();
	#ahead = 0;
	#aheadAgain = 0;
	#holding = false;
	#filling = false;
	/** Those whose outcome is not on disk yet. */
	#settling = 0;
	/** Slots that a claim on its way may fill. */
	#reserved = 0;
	/** Batches whose handler runs. */
	#batches = 0;
	readonly #polling = new AbortController();
	readonly #hurry = new AbortController();
	readonly #dead = new AbortController();
	#changed: (() => void)[] = [];
	/** Tokens of claims whose answer was never heard: what they brought is given back. */
	#orphaned: string[] = [];
	#closing: Promise<void> | undefined;
	#toldAt = -Infinity;

	/** @internal */
	constructor(
		connection: Connection, queues: readonly WorkQueue[], handlers: Handlers<Payload, Result> | BatchHandler<Payload, Result>,
		options: WorkerOptions<Payload> | BatchWorkerOptions<Payload>,
	) {
		super();
		this.#batch = 'batch' in options ? options.batch : undefined;
		if (this.#batch)
			checkBatch(this.#batch);
		if (this.#batch && typeof handlers !== 'function')
			throw new TypeError('a worker of batches has one handler: their jobs may have several names');
		this.concurrency = options.concurrency ?? 1;
		if (!Number.isInteger(this.concurrency) || this.concurrency < 1)
			throw new RangeError(`concurrency is a whole number from 1, not ${this.concurrency}`);
		if (!queues.length)
			throw new RangeError('a worker needs a queue to work for');
		this.name = options.name ?? workerName();
		this.#connection = connection;
		this.#queues = queues;
		this.#handlers = handlers;
		this.#options = options;
		this.#wire = connection.takeWire();
		this.#outbox = new Batcher({
			sender: this.#wire, address: connection.address.text, timeoutMs: connection.timeoutMs, flights: 1, signal: this.#dead.signal,
			patience: { ms: Infinity, pauseMs: 1_000, onTrouble: (error) => this.#tell(error) },
			rider: {
				take: () => this.#takeRide(),
				brought: (claim, answer) => this.#granted(claim as Claim, answer),
				missed: (claim, error) => this.#missed(claim as Claim, error),
			},
		});
		this.#desk = { outbox: this.#outbox, wire: this.#wire, connection, onNote: (error) => this.#noteRefused(error) };
		if (options.signals !== false)
			closeOnSignals(this);
		this.#presence = new Presence(connection, this.name, queues);
		void this.#poll();
	}

	/** Jobs whose handler runs. */
	get active(): number {
		return this.#running.size;
	}

	/**
	 * Claims no more, lets jobs finish for `deadlineMs`, then fires their signals with ShuttingDown, gives handlers `graceMs`, and hands back what is
	 * left: it costs those jobs nothing. Never throws. A second call with a shorter deadline hurries the first.
	 */
	close(options: { deadlineMs?: number } = {}): Promise<void> {
		if (options.deadlineMs === 0)
			this.#hurry.abort();
		return this.#closing ??= this.#close(options.deadlineMs ?? this.#options.deadlineMs ?? 20_000);
	}

	[Symbol.asyncDispose](): Promise<void> {
		return this.close();
	}

	// ---- getting work ----

	get #free(): number {
		const busy = this.#batch ? this.#batches : this.#running.size + this.#ready.length;
		return this.concurrency + this.#ahead - busy - this.#reserved;
	}

	/** How many to claim beyond the slots: what has lately ended in AHEAD_MS. Alone, a job begins when the one before it is done with: on disk. */
	#lookAhead(): void {
		const now = performance.now(), passedMs = now - this.#endedSince;
		if (passedMs < AHEAD_MS || this.#batch || this.concurrency < 2)
			return;
		const most = now < this.#aheadAgain ? 0 : this.concurrency * AHEAD_TIMES;
		this.#ahead = Math.min(most, Math.floor(this.#ended * AHEAD_MS / passedMs));
		this.#ended = 0;
		this.#endedSince = now;
	}

	async #poll(): Promise<void> {
		const backoff = new Backoff(50, 2_000);
		while (!this.#closing) {
			this.#lookAhead();
			if (this.#free <= 0)
				await this.#change();
			else if (this.#outbox.busy)
				await this.#outbox.idle(); // it claims for what it frees
			else
				await this.#pollOnce(backoff);
		}
	}

	async #pollOnce(backoff: Backoff): Promise<void> {
		const claim = this.#claim(), begun = performance.now();
		let granted: OpResult;
		try {
			await this.#recover();
			const answer = await sendPatiently(this.#wire, {
				method: 'POST', path: '/v1/claims', body: JSON.stringify({ ...claim, wait_ms: WAIT_MS }), claims: claim.token,
				timeoutMs: WAIT_MS + 10_000, signal: this.#polling.signal,
			}, this.#connection.address.text, { ms: 0, pauseMs: 0 });
			granted = Object(JSON.parse(answer.text)) as OpResult;
		} catch (error) {
			this.#missed(claim, error);
			if (this.#closing)
				return;
			this.#tell(error as Error);
			await pause(backoff.next(), this.#polling.signal);
			return;
		}
		this.#granted(claim, granted);
		if (performance.now() - begun < SOON_MS && !(granted['jobs'] as unknown[] | undefined)?.length)
			await pause(backoff.next(), this.#polling.signal); // it shuts down and lets nobody wait
		else
			backoff.reset();
	}

	/** A claim for all free slots, or for one batch: they are reserved for it. */
	#claim(): Claim {
		const wanted = this.#batch ? batchClaim(this.#batch) : { max: Math.min(this.#free, CLAIM_MAX) };
		const { leaseMs } = this.#options;
		const claim = { queues: this.#queues, ...wanted, token: randomUUID(), worker: this.name, ...(leaseMs === undefined ? {} : { lease_ms: leaseMs }) };
		this.#reserved += slotsOf(claim);
		return claim;
	}

	#takeRide(): Claim & { op: 'claim' } | undefined {
		this.#lookAhead();
		return this.#closing || this.#free <= 0 ? undefined : { op: 'claim', ...this.#claim() };
	}

	#granted(claim: Claim, answer: OpResult): void {
		this.#reserved -= slotsOf(claim);
		const leases = new Leases(claim.token);
		const jobs = ((answer['jobs'] ?? []) as Grant[]).map((grant) => new RunningJob(jobOf<Payload>(grant), leases, this.#desk));
		this.#wire.listen(leases);
		if (this.#closing)
			this.#handBack(jobs);
		else if (!this.#batch)
			this.#take(jobs);
		else if (jobs.length)
			void this.#runBatch(jobs);
		this.#wake();
	}

	/** Begins as many as there are slots for; the others wait. */
	#take(jobs: readonly RunningJob<Payload>[]): void {
		this.#ready.push(...jobs);
		this.#fill();
		if (this.#ready.length && !this.#holding) {
			this.#holding = true;
			setTimer(() => this.#handBackLate(), HELD_MS);
		}
	}

	#fill(): void {
		for (let slots = this.concurrency - this.#running.size; slots > 0 && this.#ready.length; slots--) // handlers that end at once free none: see #fillSoon
			this.#run(this.#ready.shift()!);
	}

	/** A slot is free. What has ended by now is told first: then the daemon works on that while we go on. */
	#fillSoon(): void {
		if (this.#filling || !this.#ready.length)
			return;
		this.#filling = true;
		nextTurn(() => {
			this.#filling = false;
			this.#fill();
		});
	}

	/** What waited too long is handed back: the handlers take longer than they did. */
	#handBackLate(): void {
		this.#holding = false;
		const first = this.#ready[0];
		if (!first)
			return;
		const heldMs = performance.now() - first.begun;
		if (heldMs < HELD_MS) {
			this.#holding = true;
			setTimer(() => this.#handBackLate(), HELD_MS - heldMs);
			return;
		}
		this.#ahead = 0;
		this.#aheadAgain = performance.now() + AHEAD_PAUSE_MS;
		this.#handBack(this.#ready.splice(0));
	}

	#handBack(jobs: readonly RunningJob<Payload>[]): void {
		for (const running of jobs)
			void this.#settle(running, { say: () => running.release() });
	}

	/** A claim brought nothing; if it may have arrived, what it was given is looked for later. */
	#missed(claim: Claim, error: unknown): void {
		const refused = error instanceof ProblemError && error.code !== 'outcome_unknown';
		const unsent = error instanceof UnreachableError && !error.mayHaveArrived;
		this.#reserved -= slotsOf(claim);
		if (!refused && !unsent)
			this.#orphaned.push(claim.token);
		this.#wake();
	}

	/** Gives back what claims brought whose answers were never heard: else those jobs would wait until their leases run out. */
	async #recover(): Promise<void> {
		if (!this.#orphaned.length)
			return;
		const tokens = [...this.#orphaned];
		try {
			for (const { queue, namespace } of this.#queues)
				for await (const job of this.#connection.pages<JobView>('/v1/jobs', { queue, namespace, state: 'active', limit: 1_000 }, 'jobs'))
					if (job.worker === this.name && !this.#has(job))
						await Promise.allSettled(tokens.map((token) => this.#connection.operate({ op: 'release', uid: job.uid, token })));
		} catch (error) {
			if (!(error instanceof ProblemError))
				throw error;
			// The token may not read, or the queue is gone: the leases run out by themselves.
		}
		this.#orphaned = this.#orphaned.filter((token) => !tokens.includes(token));
	}

	#has(job: { uid: string; fence: number }): boolean {
		return [...this.#running, ...this.#ready].some((held) => held.job.uid === job.uid && held.job.fence === job.fence);
	}

	/** As `#recover`, but not for long: who is out of reach keeps what was claimed until the leases run out. */
	async #recoverSoon(): Promise<void> {
		const over = new AbortController();
		await Promise.race([this.#recover().catch(() => undefined), pause(LAST_WORDS_MS, over.signal)]);
		over.abort();
	}

	// ---- doing it ----

	#run(running: RunningJob<Payload>): void {
		if (running.aborted?.kind === 'lease_lost') { // while it waited for its slot
			void this.#settle(running, { say: () => running.release() });
			return;
		}
		this.#running.add(running);
		let result: Result | Promise<Result>;
		try {
			result = this.#handle(running);
		} catch (error) {
			this.#over(running, { error });
			return;
		}
		if (typeof (result as PromiseLike<Result> | null | undefined)?.then === 'function')
			(result as Promise<Result>).then((value) => this.#over(running, { result: value }), (error: unknown) => this.#over(running, { error }));
		else
			this.#over(running, { result: result as Result });
	}

	/** The handler has ended. */
	#over(running: RunningJob<Payload>, end: BatchEnd<Result>): void {
		this.#ended++;
		if (!this.#running.delete(running))
			return; // handed back meanwhile
		if ('error' in end || running.handedBack || running.aborted?.kind === 'lease_lost')
			void this.#settle(running, endOf(running, end));
		else
			this.#complete(running, end.result);
		this.#fillSoon();
	}

	/** What `#settle` does, by the short way that most jobs go. */
	#complete(running: RunningJob<Payload>, result: Result): void {
		const otherwise = (error: unknown): void => {
			void this.#settle(running, { say: () => Promise.reject(error as Error), result });
			this.#settling--;
		};
		running.end();
		this.#settling++;
		this.#wake();
		try {
			running.tellResult(result, () => {
				this.#emit('completed', running.job, result);
				this.#settled(running);
			}, otherwise);
		} catch (error) { // it is no JSON
			otherwise(error);
		}
	}

	#settled(running: RunningJob<Payload>): void {
		running.drop();
		this.#settling--;
		this.#wake();
	}

	async #runBatch(runnings: readonly RunningJob<Payload>[]): Promise<void> {
		this.#batches++;
		for (const running of runnings)
			this.#running.add(running);
		const ends = await runBatch(runnings, this.#handlers as BatchHandler<Payload, Result>, this.#options.schema);
		this.#batches--;
		runnings.forEach((running, i) => {
			if (this.#running.delete(running)) // not handed back meanwhile
				void this.#settle(running, endOf(running, ends[i]!));
		});
		this.#wake();
	}

	#handle(running: RunningJob<Payload>): Result | Promise<Result> {
		const { job } = running;
		const schema = this.#options.schema;
		if (!schema)
			return consuming(job.queue, job.uid, job.trace, () => this.#handler(job)(job, running));
		return consuming(job.queue, job.uid, job.trace, async () =>
			this.#handler(job)({ ...job, payload: await validated(schema, job.payload, job.queue) }, running));
	}

	#handler(job: Job<Payload>): Handler<Payload, Result> {
		const handlers = this.#handlers as Handlers<Payload, Result>;
		if (typeof handlers === 'function')
			return handlers;
		if (job.name !== null && Object.hasOwn(handlers, job.name))
			return handlers[job.name]!;
		throw new RucheError('no_handler', `this worker has no handler for ${job.name === null ? 'jobs without a name' : `jobs named '${job.name}'`}`);
	}

	/** Tells the daemon how it ended, for as long as it takes. Never rejects. */
	async #settle(running: RunningJob<Payload>, end: End<Result>): Promise<void> {
		const lost = running.aborted?.kind === 'lease_lost' ? running.aborted : undefined;
		running.end();
		this.#settling++;
		this.#wake();
		try {
			if (lost)
				this.#emit('lost', running.job, lost);
			else
				this.#told(running, end, await this.#say(running, end));
		} catch (error) {
			if (error instanceof StaleLeaseError || error instanceof NotFoundError)
				this.#emit('lost', running.job, running.aborted ?? error);
			else if (!this.#dead.signal.aborted)
				this.#tell(error as Error);
		}
		this.#settled(running);
	}

	async #say(running: RunningJob<Payload>, end: End<Result>): Promise<Outcome> {
		try {
			return await end.say();
		} catch (error) {
			if (error instanceof StaleLeaseError && REPEATED in error && await this.#hadWorked(running))
				return end.error === undefined ? 'completed' : 'failed';
			if (error instanceof ConflictError && CHILDREN.has(error.code) && end.error === undefined) {
				end.error = error; // so it does not wait until its lease has run out
				return running.fail(error);
			}
			const ours = error instanceof ProblemError ? error instanceof InvalidFieldError : !(error instanceof RucheError) && !this.#dead.signal.aborted;
			if (!ours || end.error !== undefined)
				throw error;
			// The result is no JSON, or larger than the daemon takes: it would be so the next time too.
			end.error = new NonRetryableError(`the result cannot be kept: ${(error as Error).message}`, { cause: error });
			return running.fail(end.error);
		}
	}

	/** The outcome was told twice and the second time refused: had the first one arrived? Then nobody was given the job after us. */
	async #hadWorked(running: RunningJob<Payload>): Promise<boolean> {
		try {
			const job = await this.#connection.call<{ fence: number; state: string }>('GET', `/v1/jobs/${running.job.uid}`);
			return job.fence === running.job.fence && job.state !== 'active';
		} catch {
			return false;
		}
	}

	#told(running: RunningJob<Payload>, end: End<Result>, outcome: Outcome): void {
		if (outcome === 'completed')
			this.#emit('completed', running.job, end.result as Result);
		else if (outcome === 'failed')
			this.#emit('failed', running.job, end.error);
		else
			this.#emit('returned', running.job);
	}

	// ---- ending ----

	async #close(deadlineMs: number): Promise<void> {
		this.#polling.abort(new ShuttingDown());
		this.#handBack(this.#ready.splice(0));
		this.#wake();
		await this.#quiet(() => this.#running.size === 0, deadlineMs, this.#hurry.signal);
		for (const running of this.#running)
			running.abort(new ShuttingDown());
		await this.#quiet(() => this.#running.size === 0, this.#options.graceMs ?? 500);
		for (const running of this.#running) {
			this.#running.delete(running);
			void this.#settle(running, { say: () => running.release() });
		}
		await this.#quiet(() => this.#settling === 0 && this.#reserved === 0 && !this.#outbox.busy, this.#hurry.signal.aborted ? HURRIED_WORDS_MS : LAST_WORDS_MS);
		await this.#recoverSoon();
		this.#dead.abort(new ShuttingDown());
		closeNoMore(this);
		await Promise.all([this.#presence.leave(), this.#connection.giveWire()]);
		this.#emit('closed');
	}

	/** Resolves when `quiet` holds, when `ms` have passed, or when `signal` fires. */
	async #quiet(quiet: () => boolean, ms: number, signal?: AbortSignal): Promise<void> {
		const over = new AbortController();
		let expired = signal?.aborted ?? false;
		const expire = (): void => over.abort();
		signal?.addEventListener('abort', expire, { once: true });
		const clock = pause(ms, over.signal).then(() => {
			expired = true;
			this.#wake();
		});
		while (!quiet() && !expired)
			await this.#change();
		signal?.removeEventListener('abort', expire);
		over.abort();
		await clock;
	}

	// ---- telling ----

	/** Resolves when a job began or ended, or a claim came back. */
	#change(): Promise<void> {
		return new Promise((resolve) => this.#changed.push(resolve));
	}

	#wake(): void {
		if (this.#changed.length)
			for (const resolve of this.#changed.splice(0))
				resolve();
	}

	/** A listener that throws must not stop the worker. */
	#emit<Name extends keyof WorkerEvents>(name: Name, ...told: WorkerEvents<Payload, Result>[Name]): void {
		try {
			(this as EventEmitter).emit(name, ...told);
		} catch (error) {
			this.#tell(error as Error);
		}
	}

	#noteRefused(error: Error): void {
		if (!(error instanceof StaleLeaseError || error instanceof NotFoundError || this.#dead.signal.aborted)) // those are told when the job ends
			this.#tell(error);
	}

	#tell(error: Error): void {
		if (this.listenerCount('error')) {
			try {
				(this as EventEmitter).emit('error', error);
				return;
			} catch {
				// told below
			}
		}
		const now = performance.now();
		if (now - this.#toldAt < TELL_MS)
			return;
		this.#toldAt = now;
		const names = this.#queues.map(({ queue }) => queue).join(', ');
		process.stderr.write(`ruche: worker of ${names}: ${error instanceof RucheError ? error.message : error.stack ?? String(error)}; it goes on\n`);
	}
}

/** How a handler ended, and how to say so. */
interface End<Result> {
	readonly say: () => Promise<Outcome>;
	readonly result?: Result;
	error?: unknown;
}

function endOf<Payload, Result>(running: RunningJob<Payload>, end: BatchEnd<Result>): End<Result> {
	if (running.handedBack)
		return { say: () => Promise.resolve('released') }; // it waits for its children
	if (!('error' in end))
		return { say: () => running.complete(end.result), result: end.result };
	return running.aborted?.kind === 'shutdown' ? { say: () => running.release() } : { say: () => running.fail(end.error), error: end.error };
}

interface Claim {
	readonly queues: readonly WorkQueue[];
	/** Left out: it asks for a batch. */
	readonly max?: number;
	readonly token: string;
	readonly worker: string;
	readonly lease_ms?: number;
}

function slotsOf(claim: Claim): number {
	return claim.max ?? 1;
}
