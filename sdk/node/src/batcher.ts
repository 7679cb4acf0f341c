// Operations of one tick become one POST /v1/batch. While batches are on their way, further operations gather: the slower the answers, the larger the
// batches.
import { ProblemError, problemError, UnreachableError, type Problem } from './errors.js';
import { sendPatiently, type Patience } from './patience.js';
import { requestKey } from './request-key.js';
import type { Sender } from './sender.js';
import { nextTurn } from './timers.js';

const OPS_MAX = 10_000;
const BYTES_MAX = 1_000_000; // of UTF-16 units: a daemon takes bodies of 4 MiB unless told otherwise

interface Pending {
	readonly json: string;
	readonly settle: (result: OpResult) => void;
	readonly refuse: (error: Error) => void;
	/** Sent before without hearing the outcome, and without a key: it may have been done. */
	repeated: boolean;
}

/** One operation's answer, as it comes over the wire. @internal */
export type OpResult = Record<string, unknown>;

/** A claim that rides along with what is sent. @internal */
export interface Rider {
	/** The claim to add to a batch that is about to leave, or nothing. */
	take(): RidingClaim | undefined;
	/** What the claim brought. */
	brought(claim: RidingClaim, answer: OpResult): void;
	/** It was refused, or nobody knows. */
	missed(claim: RidingClaim, error: unknown): void;
}

/** @internal */
export interface RidingClaim {
	readonly token: string;
}

/** @internal */
export interface BatcherOptions {
	readonly sender: Sender;
	readonly address: string;
	readonly timeoutMs: number;
	readonly patience: Patience;
	/** Batches on their way at once; 1 keeps all operations in order. */
	readonly flights: number;
	readonly rider?: Rider;
	readonly signal?: AbortSignal;
}

/** An operation was refused after a try whose outcome nobody knows. @internal */
export const REPEATED = Symbol('repeated');

/** @internal */
export class Batcher {
	readonly #options: BatcherOptions;
	#pending: Pending[] = [];
	#flying = 0;
	#scheduled = false;
	#idle: (() => void)[] = [];

	constructor(options: BatcherOptions) {
		this.#options = options;
	}

	/** True while operations wait or are on their way. */
	get busy(): boolean {
		return this.#pending.length > 0 || this.#flying > 0;
	}

	/** Adds an operation, as JSON. Rejects with the daemon's refusal of this one, or with what kept the batch from arriving. */
	add(json: string): Promise<OpResult> {
		return new Promise((settle, refuse) => this.push(json, settle, refuse));
	}

	/** The same without a promise, for operations that come by the thousand. */
	push(json: string, settle: (result: OpResult) => void, refuse: (error: Error) => void): void {
		this.#pending.push({ json, settle, refuse, repeated: false });
		this.#schedule();
	}

	/** Resolves when nothing waits and nothing is on its way. */
	idle(): Promise<void> {
		return this.busy ? new Promise((resolve) => this.#idle.push(resolve)) : Promise.resolve();
	}

	#schedule(): void {
		if (this.#scheduled || !this.#pending.length || this.#flying >= this.#options.flights)
			return;
		this.#scheduled = true;
		nextTurn(() => {
			this.#scheduled = false;
			this.#depart();
		});
	}

	#depart(): void {
		while (this.#pending.length && this.#flying < this.#options.flights) {
			this.#flying++;
			void this.#carry(this.#next(), this.#options.rider?.take());
		}
	}

	/** The outcome of a request is known: the next one leaves, before this one's callers are told and say something next. */
	#arrived(): void {
		this.#flying--;
		this.#depart();
	}

	#told(): void {
		if (!this.busy)
			for (const resolve of this.#idle.splice(0))
				resolve();
	}

	/** As many of the pending operations as one request takes. */
	#next(): Pending[] {
		let count = 0;
		for (let bytes = 0; count < this.#pending.length && count < OPS_MAX; count++) {
			bytes += this.#pending[count]!.json.length;
			if (count && bytes > BYTES_MAX)
				break;
		}
		return this.#pending.splice(0, count);
	}

	/** Sends, and tells everybody the outcome. Never rejects. */
	async #carry(ops: Pending[], claim?: RidingClaim): Promise<void> {
		const { rider } = this.#options;
		const batches = [ops];
		let riding = claim;
		for (let batch = batches.shift(); batch; batch = batches.shift()) {
			let results: OpResult[], own: OpResult | undefined;
			try {
				[results, own] = riding ? await this.#sendWithClaim(batch, riding) : [await this.#send(batch), undefined];
			} catch (error) {
				riding = undefined;
				batches.unshift(...this.#divide(batch, error as Error));
				continue;
			}
			if (!batches.length)
				this.#arrived();
			if (own)
				this.#landed(rider!, riding!, own);
			riding = undefined;
			tell(batch, results);
			if (!batches.length) {
				this.#told();
				return;
			}
		}
		this.#arrived();
		this.#told();
	}

	#landed(rider: Rider, claim: RidingClaim, answer: OpResult): void {
		const problem = answer['problem'] as Problem | undefined;
		if (problem)
			rider.missed(claim, problemError(problem));
		else
			rider.brought(claim, answer);
	}

	/** A claim must not be repeated unseen, so a batch with one has no key and is tried once; then the rest goes by itself. */
	async #sendWithClaim(ops: Pending[], claim: RidingClaim): Promise<[OpResult[], OpResult | undefined]> {
		const { rider, sender, address, timeoutMs, signal } = this.#options;
		const body = batchBody([...ops.map((op) => op.json), JSON.stringify(claim)]);
		try {
			const request = { method: 'POST' as const, path: '/v1/batch', body, claims: claim.token, timeoutMs, signal };
			const answer = await sendPatiently(sender, request, address, { ms: 0, pauseMs: 0 });
			const { results } = JSON.parse(answer.text) as { results: OpResult[] };
			return [results, results.pop() ?? {}];
		} catch (error) {
			rider!.missed(claim, error);
			if (error instanceof ProblemError && error.status < 500)
				throw error;
			if (!(error instanceof UnreachableError && !error.mayHaveArrived))
				for (const op of ops)
					op.repeated = true;
			return [await this.#send(ops), undefined];
		}
	}

	async #send(ops: Pending[]): Promise<OpResult[]> {
		const { sender, address, timeoutMs, patience, signal } = this.#options;
		const request = {
			method: 'POST' as const, path: '/v1/batch', body: batchBody(ops.map((op) => op.json)), idempotencyKey: requestKey(), timeoutMs, signal,
		};
		const answer = await sendPatiently(sender, request, address, patience);
		return (JSON.parse(answer.text) as { results: OpResult[] }).results;
	}

	/** One bad operation makes the daemon refuse the whole body: nobody else shall suffer from it. Answers what is to be sent again, in order. */
	#divide(ops: Pending[], error: Error): Pending[][] {
		const ours = error instanceof ProblemError && error.status < 500 && error.status !== 401 && error.status !== 429;
		if (!ours || (ops.length === 1 && !/^ops\[1\]/.test(error.field ?? ''))) {
			for (const op of ops)
				op.refuse(ours ? withoutPlace(error) : error);
			return [];
		}
		const at = Number(/^ops\[(\d+)\]/.exec(error.field ?? '')?.[1] ?? NaN);
		if (at < ops.length) {
			ops[at]!.refuse(withoutPlace(error));
			return [ops.filter((_, i) => i !== at)];
		}
		if (at === ops.length) // it was the claim that rode along
			return [ops];
		const half = ops.length >> 1;
		return [ops.slice(0, half), ops.slice(half)];
	}
}

function tell(ops: readonly Pending[], results: readonly OpResult[]): void {
	ops.forEach((op, i) => {
		const result = results[i] ?? {};
		const problem = result['problem'] as Problem | undefined;
		if (problem)
			op.refuse(Object.assign(problemError(problem), op.repeated ? { [REPEATED]: true } : {}));
		else
			op.settle(result);
	});
}

function batchBody(ops: string[]): string {
	return `{"ops":[${ops.join(',')}]}`;
}

/** The refusal as if the operation had been sent alone: `payload`, not `ops[3].payload`. */
function withoutPlace(error: ProblemError): ProblemError {
	const { title, status, code, detail, field } = error;
	const own = field?.replace(/^ops\[\d+\]\.?(op$)?/, '');
	return problemError({ type: `urn:ruche:problem:${code}`, title, status, code, detail, ...(own ? { field: own } : {}) }, error.retryAfterMs);
}
