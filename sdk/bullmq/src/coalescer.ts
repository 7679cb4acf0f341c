// Operations of one tick become one POST /v1/batch. One batch is on its way at a time, so that operations take effect in the order of their calls, as
// on one Redis connection; meanwhile further ones gather: the slower the answers, the larger the batches.
import { reword, type Problem } from './errors.js';
import { Lost, type Link } from './link.js';
import { requestKey } from './request-key.js';
import { nextTurn } from './timers.js';

const OPS_MAX = 10_000;
const CLAIM_MS = 1_000; // how long a batch of claims alone is tried
const CHARS_MAX = 1_000_000; // a daemon takes bodies of 4 MiB unless told otherwise

/** One operation's answer, as it comes over the wire. */
export type Result = Readonly<Record<string, unknown>> & { readonly problem?: Problem };

/** Rejections of operations: what the daemon said. */
export class Refusal extends Error {
	constructor(
		readonly problem: Problem,
		/** It was sent before, without hearing the outcome: it may have been done then. */
		readonly repeated: boolean,
	) {
		super(problem.detail ?? problem.title);
	}
}

export interface Operation {
	/** JSON. */
	readonly json: string;
	/**
	 * `once`: a repeat is another one (an enqueue), so it needs an Idempotency-Key. `safe`: a repeat does no harm. `claims`: it hands jobs out, so it can
	 * have no key: when the answer is lost, `unclaimed` is sent instead, or nothing.
	 */
	readonly kind: 'once' | 'safe' | 'claims';
	readonly unclaimed?: string;
}

interface Pending {
	json: string;
	kind: Operation['kind'];
	readonly unclaimed: string | undefined;
	readonly settle: (result: Result) => void;
	readonly refuse: (error: Error) => void;
	repeated: boolean;
	followers?: (() => void)[];
}

/** Several at once, all or none. */
interface Bundle {
	readonly bundle: readonly string[];
	readonly settle: (results: Result[]) => void;
	readonly refuse: (error: Error) => void;
	followers?: (() => void)[];
}

export class Coalescer {
	readonly #link: Link;
	#pending: (Pending | Bundle)[] = [];
	#last: Pending | Bundle | undefined; // of those that are not settled
	#flying = false;
	#scheduled = false;

	constructor(link: Link) {
		this.#link = link;
	}

	/** Resolves with the answer; rejects with Refusal, or with what kept the batch from arriving. */
	add(op: Operation): Promise<Result> {
		return new Promise<Result>((settle, refuse) => this.push(op, settle, refuse));
	}

	/** The same without a promise; what is called must not throw. */
	push({ json, kind, unclaimed }: Operation, settle: (result: Result) => void, refuse: (error: Error) => void): void {
		this.#push({ json, kind, unclaimed, settle, refuse, repeated: false });
	}

	/** All or none of them. Rejects with the Refusal of the first that was refused. */
	addAtomic(bundle: readonly string[]): Promise<Result[]> {
		return new Promise<Result[]>((settle, refuse) => this.#push({ bundle, settle, refuse }));
	}

	/** Resolves when all that was added before has been answered: for reads that must see it. */
	settled(): Promise<unknown> {
		const last = this.#last;
		return last ? new Promise<void>((resolve) => (last.followers ??= []).push(resolve)) : Promise.resolve();
	}

	#push(item: Pending | Bundle): void {
		this.#last = item;
		this.#pending.push(item);
		this.#schedule();
	}

	#schedule(): void {
		if (this.#scheduled || this.#flying)
			return;
		this.#scheduled = true;
		nextTurn(() => {
			this.#scheduled = false;
			this.#depart();
		});
	}

	/** The next request leaves, unless there is nothing to say. */
	#depart(): void {
		if (this.#flying || !this.#pending.length)
			return;
		this.#flying = true;
		if (this.#link.isReady)
			this.#load();
		else
			this.#link.ready().then(() => this.#load(), (error: Error) => {
				this.#flying = false;
				for (const item of this.#pending.splice(0))
					this.#refuse(item, error);
			});
	}

	#load(): void {
		const first = this.#pending[0]!;
		if ('bundle' in first) {
			this.#pending.shift();
			void this.#carryBundle(first);
		} else {
			void this.#carry(this.#next());
		}
	}

	/** The outcome of the request under way is known: the next one leaves, before this one's callers are told and make further ones. */
	#arrived(): void {
		this.#flying = false;
		this.#depart();
	}

	#refuse(item: Pending | Bundle, error: Error): void {
		item.refuse(error);
		this.#over(item);
	}

	#over(item: Pending | Bundle): void {
		if (this.#last === item)
			this.#last = undefined;
		for (const follow of item.followers ?? [])
			follow();
	}

	/** As many as one request takes, in order; those that need a key and those that can have none do not go together. */
	#next(): Pending[] {
		let count = 0, claims = false, once = false;
		for (let chars = 0; count < Math.min(this.#pending.length, OPS_MAX); count++) {
			const item = this.#pending[count]!;
			if ('bundle' in item)
				break;
			chars += item.json.length;
			claims ||= item.kind === 'claims';
			once ||= item.kind === 'once';
			if (count && (chars > CHARS_MAX || (claims && once)))
				break;
		}
		return this.#pending.splice(0, count) as Pending[];
	}

	#body(ops: readonly string[], atomic = false): string {
		const now = this.#link.features.has('clock') ? `"now_ms":${Date.now()},` : '';
		return `{${now}${atomic ? '"atomic":true,' : ''}"ops":[${ops.join(',')}]}`;
	}

	async #carryBundle(item: Bundle): Promise<void> {
		let results: Result[];
		try {
			const body = this.#body(item.bundle, true);
			({ results } = await this.#link.call<{ results: Result[] }>('POST', '/v1/batch', { body, idempotencyKey: requestKey() }));
		} catch (error) {
			this.#arrived();
			this.#refuse(item, error as Error);
			return;
		}
		this.#arrived();
		item.settle(results);
		this.#over(item);
	}

	/** Sends, and tells everybody the outcome. Never rejects. */
	async #carry(ops: Pending[]): Promise<void> {
		let left = ops;
		while (left.length)
			try {
				const results = await this.#send(left);
				this.#arrived();
				this.#tell(left, results);
				return;
			} catch (error) {
				left = error instanceof Lost ? this.#unclaimed(left) : this.#divide(left, error as Error);
			}
		this.#arrived();
	}

	async #send(ops: readonly Pending[]): Promise<Result[]> {
		const body = this.#body(ops.map((op) => op.json));
		const claims = ops.some((op) => op.kind === 'claims');
		const idle = claims && ops.every((op) => op.kind === 'claims' && op.unclaimed === undefined);
		const options = claims ? { body, once: true, ...(idle ? { patienceMs: CLAIM_MS } : {}) } : { body, idempotencyKey: requestKey() };
		return (await this.#link.call<{ results: Result[] }>('POST', '/v1/batch', options)).results;
	}

	#tell(ops: readonly Pending[], results: readonly Result[]): void {
		for (let i = 0; i < ops.length; i++) {
			const op = ops[i]!, result = results[i] ?? {};
			if (result.problem) {
				this.#refuse(op, new Refusal(result.problem, op.repeated));
			} else {
				op.settle(result);
				this.#over(op);
			}
		}
	}

	/** One bad operation makes the daemon refuse the whole body: nobody else shall suffer from it. Answers those that are to be sent again. */
	#divide(ops: Pending[], error: Error): Pending[] {
		const field = (error as { field?: string }).field ?? /'(ops\[\d+\][^']*)'/.exec(error.message)?.[1] ?? '';
		const at = Number(/^ops\[(\d+)\]/.exec(field)?.[1] ?? NaN);
		if (at < ops.length) {
			this.#refuse(ops[at]!, withoutPlace(error));
			return ops.filter((_, i) => i !== at);
		}
		for (const op of ops)
			this.#refuse(op, error);
		return [];
	}

	/** What is left to say when the answer of a batch with claims is lost: leases of jobs that nobody heard of run out by themselves. */
	#unclaimed(ops: Pending[]): Pending[] {
		const left: Pending[] = [];
		for (const op of ops) {
			if (op.kind === 'claims' && op.unclaimed === undefined) {
				op.settle({ jobs: [], reason: 'lost', next_due_ms: null });
				this.#over(op);
				continue;
			}
			if (op.kind === 'claims') {
				op.json = op.unclaimed!;
				op.kind = 'safe';
			}
			op.repeated = true;
			left.push(op);
		}
		return left;
	}
}

/** As if the operation had been sent alone: `payload`, not `ops[3].payload`. */
function withoutPlace(error: Error & { field?: string | undefined }): Error {
	reword(error, error.message.replace(/ops\[\d+\]\.?/, ''));
	if (error.field !== undefined)
		error.field = error.field.replace(/^ops\[\d+\]\.?/, '');
	return error;
}

