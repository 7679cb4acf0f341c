// Operations of one tick become one POST /v1/batch. One batch is on its way at a time, so that operations take effect in the order of their calls, as
// on one Redis connection; meanwhile further ones gather: the slower the answers, the larger the batches.
import { randomUUID } from 'node:crypto';
import { Lost } from './link.js';
import { nextTurn } from './timers.js';
const OPS_MAX = 10_000;
const CHARS_MAX = 1_000_000; // a daemon takes bodies of 4 MiB unless told otherwise
/** Rejections of operations: what the daemon said. */
export class Refusal extends Error {
    problem;
    repeated;
    constructor(problem, 
    /** It was sent before, without hearing the outcome: it may have been done then. */
    repeated) {
        super(problem.detail ?? problem.title);
        this.problem = problem;
        this.repeated = repeated;
    }
}
export class Coalescer {
    #link;
    #pending = [];
    #flying = false;
    #scheduled = false;
    #tail = Promise.resolve();
    constructor(link) {
        this.#link = link;
    }
    /** Resolves with the answer; rejects with Refusal, or with what kept the batch from arriving. */
    add(operation) {
        return this.#follow(new Promise((settle, refuse) => {
            this.#pending.push({ ...operation, settle, refuse });
            this.#schedule();
        }));
    }
    /** All or none of them. Rejects with the Refusal of the first that was refused. */
    addAtomic(bundle) {
        return this.#follow(new Promise((settle, refuse) => {
            this.#pending.push({ bundle, settle, refuse });
            this.#schedule();
        }));
    }
    /** Resolves when all that was added before has been answered: for reads that must see it. */
    settled() {
        return this.#pending.length || this.#flying ? this.#tail : Promise.resolve();
    }
    #follow(promise) {
        this.#tail = promise.catch(() => undefined);
        return promise;
    }
    #schedule() {
        if (this.#scheduled || this.#flying || !this.#pending.length)
            return;
        this.#scheduled = true;
        nextTurn(() => {
            this.#scheduled = false;
            void this.#fly();
        });
    }
    async #fly() {
        this.#flying = true;
        try {
            await this.#link.ready();
        }
        catch (error) {
            for (const item of this.#pending.splice(0))
                item.refuse(error);
        }
        const first = this.#pending[0];
        if (first && 'bundle' in first) {
            this.#pending.shift();
            await this.#carryBundle(first);
        }
        else if (first) {
            await this.#carry(this.#next());
        }
        this.#flying = false;
        this.#schedule();
    }
    /** As many as one request takes, in order; those that need a key and those that can have none do not go together. */
    #next() {
        let count = 0, claims = false, once = false;
        for (let chars = 0; count < Math.min(this.#pending.length, OPS_MAX); count++) {
            const item = this.#pending[count];
            if ('bundle' in item)
                break;
            chars += item.json.length;
            claims ||= item.kind === 'claims';
            once ||= item.kind === 'once';
            if (count && (chars > CHARS_MAX || (claims && once)))
                break;
        }
        return this.#pending.splice(0, count);
    }
    #body(ops, atomic = false) {
        const now = this.#link.features.has('clock') ? `"now_ms":${Date.now()},` : '';
        return `{${now}${atomic ? '"atomic":true,' : ''}"ops":[${ops.join(',')}]}`;
    }
    async #carryBundle({ bundle, settle, refuse }) {
        try {
            const body = this.#body(bundle, true);
            const { results } = await this.#link.call('POST', '/v1/batch', { body, idempotencyKey: randomUUID() });
            settle(results);
        }
        catch (error) {
            refuse(error);
        }
    }
    /** Sends, and tells everybody the outcome. Never rejects. */
    async #carry(ops) {
        if (!ops.length)
            return;
        const claims = ops.some((op) => op.kind === 'claims');
        let results;
        try {
            const body = this.#body(ops.map((op) => op.json));
            const options = claims ? { body, once: true } : { body, idempotencyKey: randomUUID() };
            ({ results } = await this.#link.call('POST', '/v1/batch', options));
        }
        catch (error) {
            if (error instanceof Lost)
                await this.#carry(unclaimed(ops));
            else
                await this.#divide(ops, error);
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
    async #divide(ops, error) {
        const field = error.field ?? /'(ops\[\d+\][^']*)'/.exec(error.message)?.[1] ?? '';
        const at = Number(/^ops\[(\d+)\]/.exec(field)?.[1] ?? NaN);
        if (!(at < ops.length)) {
            for (const op of ops)
                op.refuse(error);
            return;
        }
        ops[at].refuse(withoutPlace(error));
        await this.#carry(ops.filter((_, i) => i !== at));
    }
}
/** What is left to do when the answer of a batch with claims is lost: leases of jobs that nobody heard of run out by themselves. */
function unclaimed(ops) {
    const left = [];
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
function withoutPlace(error) {
    error.message = error.message.replace(/ops\[\d+\]\.?/, '');
    return error;
}
