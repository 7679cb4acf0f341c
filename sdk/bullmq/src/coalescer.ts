// Operations of one tick become one POST /v1/batch. One batch is on its way at a time, so that operations take effect in the order of their calls, as
// on one Redis connection; meanwhile further ones gather: the slower the answers, the larger the batches.
import { randomUUID } from 'node:crypto';
import type { Problem } from './errors.js';
import { Lost, type Link } from './link.js';
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

interface Pending extends Operation {
	readonly settle: (result: Result) => void;
	readonly refuse: (error: Error) => void;
	repeated?: boolean;
}

/** Several at once, all or none. */
interface Bundle {
	readonly bundle: readonly string[];
	readonly settle: (results: Result[]) => void;
	readonly refuse: (error: Error) => void;
}

export class Coalescer {
	readonly #link: Link;
	#pending: (Pending | Bundle)[] = [];
	#flying = false;
	#scheduled = false;
	#tail: Promise<unknown> = Promise.resolve();

	constructor(link: Link) {
		this.#link = link;
	}

	/** Resolves with the answer; rejects with Refusal, or with what kept the batch from arriving. */
	add(operation: Operation): Promise<Result> {
		return this.#follow(new Promise<Result>((settle, refuse) => {
			this.#pending.push({ ...operation, settle, refuse });
			this.#schedule();
		}));
	}

	/** All or none of them. Rejects with the Refusal of the first that was refused. */
	addAtomic(bundle: readonly string[]): Promise<Result[]> {
		return this.#follow(new Promise<Result[]>((settle, refuse) => {
			this.#pending.push({ bundle, settle, refuse });
			this.#schedule();
		}));
	}

	/** Resolves when all that was added before has been answered: for reads that must see it. */
	settled(): Promise<unknown> {
		return this.#pending.length || this.#flying ? this.#tail : Promise.resolve();
	}

	#follow<T>(promise: Promise<T>): Promise<T> {
		this.#tail = promise.catch(() => undefined);
		return promise;
	}

	#schedule(): void {
		if (this.#scheduled || this.#flying || !this.#pending.length)
			return;
		this.#scheduled = true;
		nextTurn(() => {
			this.#scheduled = false;
			void this.#fly();
		});
	}

	async #fly(): Promise<void> {
		this.#flying = true;
		try {
			await this.#link.ready();
		} catch (error) {
			for (const item of this.#pending.splice(0))
				item.refuse(error as Error);
		}
		const first = this.#pending[0];
		if (first && 'bundle' in first) {
			this.#pending.shift();
			await this.#carryBundle(first);
		} else if (first) {
			await this.#carry(this.#next());
		}
		this.#flying = false;
		this.#schedule();
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

	async #carryBundle({ bundle, settle, refuse }: Bundle): Promise<void> {
		try {
			const body = this.#body(bundle, true);
			const { results } = await this.#link.call<{ results: Result[] }>('POST', '/v1/batch', { body, idempotencyKey: randomUUID() });
			settle(results);
		} catch (error) {
			refuse(error as Error);
		}
	}

	/** Sends, and tells everybody the outcome. Never rejects. */
	async #carry(ops: Pending[]): Promise<void> {
		if (!ops.length)
			return;
		const claims = ops.some((op) => op.kind === 'claims');
		let results: Result[];
		try {
			const body = this.#body(ops.map((op) => op.json));
			const idle = ops.every((op) => op.kind === 'claims' && !op.unclaimed);
			const options = claims ? { body, once: true, ...(idle ? { patienceMs: CLAIM_MS } : {}) } : { body, idempotencyKey: randomUUID() };
			({ results } = await this.#link.call<{ results: Result[] }>('POST', '/v1/batch', options));
		} catch (error) {
			if (error instanceof Lost)
				await this.#carry(unclaimed(ops));
			else
				await this.#divide(ops, error as Error);
			return;
		}
		ops.forEach((op, i) => {
			const result = results[i] ?? {};
			if (result.problem)
				op.refuse(new Refusal(result.problem, op.repeated ?? false));
			else
				op.settle(result);
		});
	}

	/** One bad operation makes the daemon refuse the whole body: nobody else shall suffer from it. */
	async #divide(ops: Pending[], error: Error): Promise<void> {
		const field = (error as { field?: string }).field ?? /'(ops\[\d+\][^']*)'/.exec(error.message)?.[1] ?? '';
		const at = Number(/^ops\[(\d+)\]/.exec(field)?.[1] ?? NaN);
		if (!(at < ops.length)) {
			for (const op of ops)
				op.refuse(error);
			return;
		}
		ops[at]!.refuse(withoutPlace(error));
		await this.#carry(ops.filter((_, i) => i !== at));
	}
}

/** What is left to do when the answer of a batch with claims is lost: leases of jobs that nobody heard of run out by themselves. */
function unclaimed(ops: Pending[]): Pending[] {
	const left: Pending[] = [];
	for (const op of ops)
		if (op.kind !== 'claims')
			left.push({ ...op, repeated: true });
		else if (op.unclaimed)
			left.push({ ...op, json: op.unclaimed, kind: 'safe', repeated: true });
		else
			op.settle({ jobs: [], reason: 'lost', next_due_ms: null });
	return left;
}

/** As if the operation had been sent alone: `payload`, not `ops[3].payload`. */
function withoutPlace(error: Error): Error {
	error.message = error.message.replace(/ops\[\d+\]\.?/, '');
	return error;
}

