// What a queue can be told: retries, limits, retention, an HTTP target. Spans are in milliseconds.

/** How failed attempts are tried again. */
export interface RetryPolicy {
	/** `exponential` (default): each wait is `factor` times the one before; `fixed`: always `delayMs`; `list`: the waits of `listMs`. */
	kind?: 'exponential' | 'fixed' | 'list';
	/** Attempts in all, 1 to 1,000,000 (3). */
	maxAttempts?: number;
	/** Milliseconds (1,000). */
	delayMs?: number;
	/** 1 to 100 (2). */
	factor?: number;
	/** 1 to 32 waits in milliseconds, of `list`; the last repeats. */
	listMs?: number[];
	/** No wait is longer: milliseconds (3,600,000); 0: ten years. */
	maxDelayMs?: number;
	/** `none`, `partial` (default: the wait less up to `jitterRatio` of it), `full` (anything up to the wait). */
	jitter?: 'none' | 'partial' | 'full';
	/** 0 to 1 (0.2). */
	jitterRatio?: number;
}

/** At most `max` starts in any span of `perMs` milliseconds; `max` 0: no limit. */
export interface Rate {
	max: number;
	perMs?: number;
	/** `sliding` (default): any span of `perMs`; `fixed`: spans that begin with a first start. */
	window?: 'sliding' | 'fixed';
}

/** What is kept of ended jobs: at most so many, for so many milliseconds, of so many bytes; 0: not bounded by that. */
export type Retention = 'none' | 'all' | { count?: number; ageMs?: number; bytes?: number };

/** A URL that the daemon calls for each job. */
export interface HttpTarget {
	/** `http://` or `https://`; empty: each job says its own. */
	url?: string;
	method?: 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'GET';
	headers?: Record<string, string>;
	/** Of the whole call, in milliseconds (30,000). */
	timeoutMs?: number;
	/** Statuses that are a success, such as `["200-299", 304]`; null: 2xx. */
	success?: (number | string)[] | null;
	/** Statuses that are always tried again. */
	retry?: (number | string)[] | null;
	/** Statuses that are never tried again. */
	final?: (number | string)[] | null;
}

/** The settings of a queue. */
export interface QueueSettings {
	/** `pull`: workers claim (default); `http`: the daemon calls `http.url`. */
	target?: 'pull' | 'http';
	http?: HttpTarget;
	retry?: RetryPolicy;
	/** Longest run of one attempt in milliseconds; 0: none. */
	timeoutMs?: number;
	/** A job that is not started within so many milliseconds expires; 0: none. */
	ttlMs?: number;
	/** 1 to 86,400,000 milliseconds (30,000). */
	leaseMs?: number;
	/** Lost leases before a job fails (1). */
	maxStalls?: number;
	/** Active jobs of the queue, of each group; 0: no limit. */
	concurrency?: number;
	groupConcurrency?: number;
	rate?: Rate | null;
	groupRate?: Rate | null;
	keepCompleted?: Retention;
	keepFailed?: Retention;
	/** Names of at most 4 limits, which exist: each start takes from all of them. See `Ruche.limit`. */
	limits?: string[];
	/** With an HTTP target: whom an answer that asks to wait holds back: the `job` alone (default), its `group`, the `queue`, or a limit by its name. */
	retryAfter?: 'job' | 'group' | 'queue' | (string & {});
	/** The oldest job that has waited so many milliseconds goes before all others, whatever its priority; 0: none does. */
	riseAfterMs?: number;
	/** Of its events that are kept, about; 0: as many as the daemon keeps of all. */
	eventsMax?: number;
	/** Minutes of which it is known how many jobs ended (1,440). */
	metricMinutes?: number;
	/** What a job without an id of its own gets: a global identity (`uid`), or the queue's next number (`decimal`). */
	ids?: 'uid' | 'decimal';
	/** At most 16 KiB, only kept. */
	metadata?: Record<string, unknown>;
}

/** Counts by state. */
export type StateCounts = Record<'waiting' | 'delayed' | 'active' | 'waitingChildren' | 'parked' | 'completed' | 'failed' | 'cancelled' | 'expired', number>;

/** Percentiles in milliseconds; null: nothing was seen lately. */
export interface Percentiles {
	readonly p50: number | null;
	readonly p95: number | null;
	readonly p99: number | null;
}

/** How many jobs ended in one way. */
export interface MinuteCounts {
	/** Ever. */
	readonly count: number;
	/** The minute with the last end; as of its beginning there were `countBefore`. */
	readonly minuteAt: string | null;
	readonly countBefore: number;
	/** Of the minutes before it, the newest first; `total`: how many are known. */
	readonly points: readonly number[];
	readonly total: number;
}

export interface QueueMetrics {
	readonly completed: MinuteCounts;
	readonly failed: MinuteCounts;
}

/** A queue as it is now. Instants are RFC 3339 in UTC; rates are of the last minute. */
export interface QueueStats {
	readonly name: string;
	readonly namespace: string;
	readonly paused: boolean;
	/** Jobs now in each state. */
	readonly states: StateCounts;
	readonly oldestWaitingAt: string | null;
	readonly nextDueAt: string | null;
	readonly groups: number;
	readonly groupsReady: number;
	/** Claims that wait for work. */
	readonly waiters: number;
	/** Ever. */
	readonly enqueued: number;
	readonly started: number;
	readonly ended: Record<'completed' | 'failed' | 'cancelled' | 'expired', number>;
	readonly enqueuedPerS: number;
	readonly startedPerS: number;
	readonly completedPerS: number;
	readonly failedPerS: number;
	readonly waitMs: Percentiles;
	readonly runMs: Percentiles;
	/** Live jobs by priority; not in lists of queues. */
	readonly priorities?: readonly ({ readonly priority: number } & Record<string, number>)[];
	readonly settings: QueueSettings;
	readonly version: number;
	readonly createdAt: string;
}
