// Repeating: what is safe to repeat is sent again for a while when the connection breaks or the daemon is busy. All that this package sends is safe:
// it reads, or says the same twice (PUT, DELETE), or carries an Idempotency-Key, or is bound to a lease.
import { Backoff } from './delay.js';
import { problemError, RucheError, TimedOutError, UnreachableError, type Problem } from './errors.js';
import { Broken, type Answer, type Request, type Sender } from './sender.js';
import { pause } from './timers.js';

const CONNECT_MS = 1_800;
const REPEAT: ReadonlySet<number> = new Set([429, 502, 503, 504, 507]);

/** How long to go on. @internal */
export interface Patience {
	/** Milliseconds of trouble before giving up; Infinity: until the signal fires. */
	readonly ms: number;
	/** Longest pause between tries, in milliseconds. */
	readonly pauseMs: number;
	/** Told of each try that failed and is repeated. */
	readonly onTrouble?: (error: RucheError) => void;
}

/** Sends until an answer is there, or `patience` is over. Throws UnreachableError, TimedOutError, or a ProblemError for any status from 400 on. @internal */
export async function sendPatiently(sender: Sender, request: Request, address: string, patience: Patience): Promise<Answer> {
	const backoff = new Backoff(50, patience.pauseMs);
	let lost = false;
	let since = 0; // when the trouble began; 0: none yet
	for (;;) {
		const begun = performance.now();
		const leftMs = since ? patience.ms - (begun - since) : CONNECT_MS; // the first try is as long as any
		let error: RucheError, mayWait = Infinity;
		try {
			const answer = await sender.send({ ...request, connectMs: Math.min(leftMs, request.connectMs ?? CONNECT_MS) });
			if (answer.status < 400)
				return answer;
			error = refusal(answer);
			if (!REPEAT.has(answer.status))
				throw error;
			since ||= performance.now();
			mayWait = answer.retryAfterMs ?? Infinity;
		} catch (cause) {
			if (!(cause instanceof Broken))
				throw cause;
			if (cause.how === 'late' && patience.ms !== Infinity)
				throw new TimedOutError(`Ruche at ${address}: ${cause.what}`, cause);
			lost ||= cause.how !== 'refused';
			error = new UnreachableError(address, cause.what, lost, cause.cause ?? cause);
			since ||= cause.how === 'refused' ? begun : performance.now();
		}
		const pauseMs = Math.max(backoff.next(), mayWait === Infinity ? 0 : Math.min(mayWait, 60_000));
		if (performance.now() - since + pauseMs >= patience.ms)
			throw error;
		patience.onTrouble?.(error);
		await pause(pauseMs, request.signal);
		request.signal?.throwIfAborted();
	}
}

/** The problem in an answer, also when something between us and the daemon wrote it. @internal */
export function refusal(answer: Answer): RucheError {
	let problem: Problem | undefined;
	try {
		problem = JSON.parse(answer.text) as Problem;
	} catch {
		// no JSON: a proxy's page
	}
	if (typeof problem?.code !== 'string')
		problem = { type: 'about:blank', title: `HTTP status ${answer.status}`, status: answer.status, code: 'bad_answer',
			detail: `status ${answer.status} without a problem of Ruche's; is something else listening there?` };
	return problemError(problem, answer.retryAfterMs);
}
