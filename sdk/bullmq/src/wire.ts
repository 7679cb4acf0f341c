// What stands on the wire, as far as the adapter looks at it.

/** BullMQ's part of a job, kept verbatim by the daemon. */
export interface Metadata {
	readonly opts?: Record<string, unknown>;
	readonly timestamp?: number;
	readonly repeatJobKey?: string;
	/** A name that the daemon cannot take as one: empty, too long, or with control characters. */
	readonly name?: string;
}

export interface WireError {
	readonly type?: string | null;
	readonly message?: string | null;
	readonly stack?: string | null;
}

export interface WireParent {
	readonly uid: string;
	readonly namespace: string;
	readonly queue: string;
	readonly id: string;
	readonly on_failure: string;
	readonly state: string;
}

export interface WireChild {
	readonly uid: string;
	readonly id: string;
	readonly queue: string | null;
	readonly namespace: string | null;
	readonly state: 'pending' | 'done' | 'ignored' | 'failed';
	readonly value: unknown;
}

export interface WireChildren {
	readonly counts: Readonly<Record<WireChild['state'], number>>;
	readonly children: readonly WireChild[];
	readonly next_cursor: string | null;
}

/** What grants and whole jobs have in common. */
interface WireRun {
	readonly uid: string;
	readonly id: string;
	readonly name: string | null;
	readonly priority: number;
	readonly attempts_made: number;
	readonly stalls: number;
	readonly fence: number;
	readonly metadata?: Metadata | null;
	readonly payload?: unknown;
	readonly progress?: unknown;
	readonly errors?: readonly WireError[];
	readonly started_at?: string | null;
	readonly parents?: readonly WireParent[];
}

export interface WireJob extends WireRun {
	readonly state: string;
	readonly redone?: boolean;
	readonly attempts_started: number;
	readonly created_at: string;
	readonly due_at: string | null;
	readonly finished_at: string | null;
	readonly worker: string | null;
	readonly deferred?: string | null;
	readonly result?: unknown;
}

export interface WireGrant extends WireRun {
	readonly attempt: number;
	readonly attempts_started?: number;
	/** It failed already, with this reason: say so. */
	readonly deferred?: string | null;
}

export interface WireClaim {
	readonly token?: string;
	readonly jobs: readonly WireGrant[];
	readonly reason: string | null;
	readonly next_due_ms: number | null;
	readonly rate_ttl_ms?: number;
}

export interface WireQueue {
	readonly paused: boolean;
	readonly states: Readonly<Record<string, number>>;
	readonly prioritised: number;
	readonly priorities?: readonly ({ priority: number } & Record<string, number>)[];
	readonly rate_ttl_ms?: number;
	readonly settings: {
		readonly concurrency?: number;
		readonly rate?: { readonly max: number; readonly per_ms: number } | null;
		readonly events_max?: number;
		readonly metadata?: Readonly<Record<string, string>>;
	};
}

export interface WireChain {
	readonly key: string;
	readonly schedule: {
		readonly every_ms?: number;
		readonly pattern?: string;
		readonly tz?: string;
		readonly limit?: number;
		readonly start_at?: string;
		readonly end_at?: string;
	};
	readonly job: { readonly name?: string };
	readonly metadata?: { readonly opts?: Record<string, unknown>; readonly name?: string; readonly tz?: string };
	readonly payload?: unknown;
	readonly next_at: string | null;
	readonly offset_ms: number;
	readonly count: number;
}

export interface WireEvent {
	readonly id: string;
	readonly type: string;
	readonly uid?: string;
	readonly at: string;
	readonly data?: unknown;
	readonly [member: string]: unknown;
}
