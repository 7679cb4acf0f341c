// One exchange with the daemon, by whichever way: the seam between what is said and how it is carried.

/** What is asked of the daemon. @internal */
export interface Request {
	readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
	/** From `/v1` on, with its query. */
	readonly path: string;
	/** JSON. */
	readonly body?: string | undefined;
	readonly idempotencyKey?: string | undefined;
	/** Longest wait for the whole answer. */
	readonly timeoutMs: number;
	/** Longest wait for a connection. */
	readonly connectMs?: number | undefined;
	/** The daemon holds this request until something happens: it gets a connection of its own. */
	readonly waits?: boolean;
	/** The lease token of the claims in it: their leases are kept from the answer on. */
	readonly claims?: string | undefined;
	readonly signal?: AbortSignal | undefined;
	/** When the signal fires the daemon hears of it, and what it says nevertheless still counts; else it is not listened to any more. */
	readonly gently?: boolean;
}

/** What came back, whatever its status. @internal */
export interface Answer {
	readonly status: number;
	readonly retryAfterMs?: number | undefined;
	readonly text: string;
}

/** No whole answer came. @internal */
export class Broken extends Error {
	constructor(
		/** `refused`: nothing was sent. `lost`: it may have been done. `late`: no answer in time, it may have been done. */
		readonly how: 'refused' | 'lost' | 'late',
		/** For people: `connection refused (ECONNREFUSED)`. */
		readonly what: string,
		cause?: unknown,
	) {
		super(what, { cause });
	}
}

/** Carries one request, once. Rejects with Broken, or with the signal's reason. @internal */
export interface Sender {
	send(request: Request): Promise<Answer>;
}

/** A network error in words. @internal */
export function words(error: { code?: string | undefined; message: string }): string {
	const known: Record<string, string> = {
		ECONNREFUSED: 'connection refused', ECONNRESET: 'the connection was cut', EPIPE: 'the connection was cut', ENOENT: 'there is no such socket',
		ENOTFOUND: 'the name is unknown', EAI_AGAIN: 'the name cannot be looked up', EHOSTUNREACH: 'no route to the host', EACCES: 'permission denied',
		ETIMEDOUT: 'no connection in time',
	};
	const code = error.code ?? '';
	return known[code] ? `${known[code]} (${code})` : error.message || code || 'the connection failed';
}
