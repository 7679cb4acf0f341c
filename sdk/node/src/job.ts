// What is known of a job: what a producer says of it, what the daemon answers, what a handler gets.
import type { Dedup } from './dedup.js';
import type { HttpTarget, RetryPolicy } from './settings.js';
import type { Trace } from './trace.js';

export type JobState = 'waiting' | 'delayed' | 'active' | 'waiting_children' | 'parked' | 'completed' | 'failed' | 'cancelled' | 'expired';

/** How a job is to be run. All of it may be left out. */
export interface EnqueueOptions {
	/** Your own id, unique within the queue while the job is kept (1 to 512 bytes): enqueueing it again answers the first job. */
	id?: string;
	/** What kind of job: to filter by, and to choose a handler by. */
	name?: string;
	/** Jobs of a group share limits and are served in turn with other groups. */
	group?: string;
	/** 0 runs first (default), up to 2,097,151. */
	priority?: number;
	/** Not before so many milliseconds from now. Not with `runAt`. */
	delayMs?: number;
	/** Not before this instant of the wall clock: a Date, or RFC 3339. */
	runAt?: Date | string;
	/** First in line of its priority instead of last. */
	lifo?: boolean;
	/** Attempts in all; the policy's when left out. */
	maxAttempts?: number;
	retry?: RetryPolicy;
	/** Longest run of one attempt, in milliseconds. */
	timeoutMs?: number;
	/** Not started within so many milliseconds after it could: it ends as `expired`. */
	ttlMs?: number;
	/** Apart from `id`: what becomes of it when a job under the same key is there. Not with `parents`. */
	dedup?: Dedup;
	/** At most 32, to find it by. */
	tags?: string[];
	/** An object of your own, at most 64 KiB: kept with it, and handed to its handlers. */
	metadata?: Record<string, unknown>;
	/** Trace context; taken from where the caller is when left out (see `Trace`). null: none. */
	trace?: Trace | null;
	/** Its own HTTP target; only in a queue whose target is http. */
	http?: HttpTarget;
	/** Whose child it is: they wait for it, or run. See `Ruche.enqueueTree` for whole trees. */
	parents?: Parent[];
	/** It waits until its children have ended: those that are enqueued with it, or while it waits. */
	waits?: boolean;
}

/**
 * What a child's failure, cancellation or expiry means to its parent: it fails too (`fail`), runs now (`continue`), waits for the others and goes on without
 * its result (`ignore`) or as if it had never been (`forget`), or waits until the child is retried, detached or deleted (`hold`).
 */
export type OnFailure = 'fail' | 'continue' | 'ignore' | 'forget' | 'hold';

/** A job's parent: by its uid, or by its id within a queue. */
export type Parent = ({ readonly uid: string } | { readonly queue: string; readonly namespace?: string; readonly id: string }) & { readonly onFailure?: OnFailure };

/** What became of a child, as its parent sees it. */
export type ChildState = 'pending' | 'done' | 'ignored' | 'failed';

/** A child as its parent sees it. */
export interface Child<Result = unknown> {
	readonly uid: string;
	readonly id: string;
	/** null: that queue was deleted. */
	readonly queue: string | null;
	readonly namespace: string | null;
	readonly state: ChildState;
	/** `follow`: it only comes before it, under their dedup key. */
	readonly onFailure: OnFailure | 'follow';
	/** `done`: its result. `ignored`, `failed`: its error. */
	readonly value: Result;
}

/** A parent as its child sees it. */
export interface ParentView {
	readonly uid: string;
	readonly id: string;
	readonly queue: string | null;
	readonly namespace: string | null;
	readonly onFailure: OnFailure | 'follow';
	readonly state: ChildState;
}

/** A job for `enqueueMany`: its options and its payload. */
export interface NewJob<Payload> extends EnqueueOptions {
	payload: Payload;
}

/** What went wrong in an attempt. */
export interface JobFailure {
	readonly type?: string;
	readonly message?: string;
	readonly stack?: string;
}

/** A job as the daemon knows it. Instants are RFC 3339 in UTC with milliseconds. */
export interface JobView<Payload = unknown, Result = unknown> {
	readonly uid: string;
	readonly id: string;
	readonly queue: string;
	readonly namespace: string;
	readonly name: string | null;
	readonly group: string | null;
	readonly state: JobState;
	/** Why an ended job is as it is: `success`, `filtered`, `attempts_spent`, `final_error`, `stalled`, `by_hand`, `ttl`, `child_failed`, `superseded`. */
	readonly outcome: string | null;
	readonly cancelRequested: boolean;
	readonly priority: number;
	readonly lifo: boolean;
	/** Times given out. */
	readonly attemptsStarted: number;
	/** Attempts that ended, well or not, since the last retry by hand. */
	readonly attemptsMade: number;
	/** The job's own; 0: the queue's. */
	readonly maxAttempts: number;
	readonly stalls: number;
	readonly fence: number;
	readonly timeoutMs: number;
	readonly ttlMs: number;
	readonly createdAt: string;
	readonly dueAt: string | null;
	readonly startedAt: string | null;
	readonly finishedAt: string | null;
	readonly worker: string | null;
	/** Key of the chain that made it. */
	readonly chain: string | null;
	/** Put back by hand since it ran. */
	readonly redone: boolean;
	readonly tags: readonly string[];
	readonly trace: Trace | null;
	readonly http: HttpTarget | null;
	readonly progress: unknown;
	readonly error: JobFailure | null;
	readonly payloadBytes: number;
	readonly payloadEdited: boolean;
	readonly resultBytes: number;
	/** Where asked for. */
	readonly payload?: Payload;
	/** Comes with the payload. */
	readonly metadata?: Record<string, unknown> | null;
	readonly originalPayload?: Payload;
	readonly result?: Result;
	readonly parents?: readonly ParentView[];
}

/** What a handler gets: the job under its lease. Spans are in milliseconds. */
export interface Job<Payload = unknown> {
	readonly uid: string;
	readonly id: string;
	readonly queue: string;
	readonly namespace: string;
	readonly name: string | null;
	readonly group: string | null;
	/** As the schema made it, if there is one. */
	readonly payload: Payload;
	readonly metadata: Record<string, unknown> | null;
	/** Key of the chain that made it. */
	readonly chain: string | null;
	readonly tags: readonly string[];
	readonly trace: Trace | null;
	readonly createdAt: string;
	/** 1 for the first. */
	readonly attempt: number;
	/** Attempts that ended before this one. */
	readonly attemptsMade: number;
	readonly maxAttempts: number;
	/** Leases lost before. */
	readonly stalls: number;
	readonly priority: number;
	/** Grows with every grant of the job: hand it on, so that other systems can refuse late writers. */
	readonly fence: number;
	readonly leaseMs: number;
	/** 0: none. */
	readonly timeoutMs: number;
}

/** As the daemon writes it. @internal */
export interface Grant {
	readonly uid: string;
	readonly id: string;
	readonly queue: string;
	readonly namespace: string;
	readonly name: string | null;
	readonly group: string | null;
	readonly payload: unknown;
	readonly metadata?: Record<string, unknown>;
	readonly chain?: string;
	readonly tags: readonly string[];
	readonly trace: Trace | null;
	readonly created_at: string;
	readonly attempt: number;
	readonly attempts_made: number;
	readonly max_attempts: number;
	readonly stalls: number;
	readonly priority: number;
	readonly fence: number;
	readonly lease_ms: number;
	readonly timeout_ms: number;
}

/** By hand: jobs come by the thousand. @internal */
export function jobOf<Payload>(grant: Grant): Job<Payload> {
	return {
		uid: grant.uid, id: grant.id, queue: grant.queue, namespace: grant.namespace, name: grant.name, group: grant.group, payload: grant.payload as Payload,
		metadata: grant.metadata ?? null, chain: grant.chain ?? null, tags: grant.tags, trace: grant.trace, createdAt: grant.created_at, attempt: grant.attempt, attemptsMade: grant.attempts_made,
		maxAttempts: grant.max_attempts, stalls: grant.stalls, priority: grant.priority, fence: grant.fence, leaseMs: grant.lease_ms, timeoutMs: grant.timeout_ms,
	};
}

/** Why a job is not running. */
export interface Explanation {
	readonly uid: string;
	readonly state: JobState;
	/** `ready`, `no_worker`, `queue_paused`, `group_rate`, … */
	readonly code: string;
	/** In words. */
	readonly text: string;
	/** When that ends by itself. */
	readonly untilAt: string | null;
	/** Jobs of its group before it, about. */
	readonly ahead: number;
	readonly active: number;
	readonly limit: number;
	/** The limit that holds it back, by its name. */
	readonly limitName: string | null;
	readonly worker: string | null;
}

/** One attempt at a job. */
export interface Attempt {
	readonly number: number;
	readonly fence: number;
	readonly startedAt: string;
	readonly finishedAt: string | null;
	readonly tookMs: number | null;
	/** The state that the job took. */
	readonly next: JobState | null;
	readonly retryAt: string | null;
	readonly worker: string | null;
	readonly error: JobFailure | null;
	readonly exchange: unknown;
}

/** Which jobs of a queue. */
export interface JobFilter {
	state?: JobState | JobState[];
	name?: string;
	group?: string;
	tag?: string;
	/** The caller's id, or its beginning followed by `*`. */
	id?: string;
	outcome?: string;
	/** Text in the error. */
	error?: string;
	createdAfter?: Date | string;
	createdBefore?: Date | string;
	finishedAfter?: Date | string;
	finishedBefore?: Date | string;
	order?: 'newest' | 'oldest';
}
