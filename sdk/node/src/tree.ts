// A job and its children, and theirs: one atomic request.
import type { Connection } from './connection.js';
import type { EnqueueOptions, OnFailure } from './job.js';
import { EnqueuedJob } from './job-handle.js';
import { ProblemError, problemError } from './errors.js';
import { requestKey } from './request-key.js';
import { producing, type Trace } from './trace.js';
import { toWire } from './wording.js';

/** A job of a tree to be enqueued: what `enqueue` takes, its queue, and its children, which it waits for. */
export interface NewTree extends Omit<EnqueueOptions, 'waits'> {
	queue: string;
	/** The client's when left out. */
	namespace?: string;
	payload?: unknown;
	/** What its failure means to the job above it; left out: that fails too. */
	onFailure?: OnFailure;
	children?: readonly NewTree[];
}

/** A job of a tree that was enqueued. */
export interface EnqueuedTree {
	readonly job: EnqueuedJob;
	readonly children: readonly EnqueuedTree[];
}

type Wire = Record<string, unknown>;
type Enqueued = ConstructorParameters<typeof EnqueuedJob>[2];

/** Parents come first: their children name them by their place. `places`: where each stands for the caller. */
function flatten(connection: Connection, node: NewTree, found: Trace | undefined, ops: Wire[], places: string[], path = '', above?: number): void {
	const { queue, namespace = connection.namespace, payload, children = [], onFailure, parents = [], trace = connection.trace?.() ?? found, ...options } = node;
	const own = above === undefined ? [] : [{ ref: above, ...(onFailure ? { on_failure: onFailure } : {}) }];
	const all = [...own, ...parents.map((parent) => toWire({ ...('queue' in parent ? { namespace } : {}), ...parent }))];
	const place = ops.length;
	places.push(path);
	ops.push({
		op: 'enqueue', ...toWire(options) as Wire, queue, namespace, ...(payload === undefined ? {} : { payload }), ...(trace ? { trace } : {}),
		...(children.length ? { waits: true } : {}), ...(all.length ? { parents: all } : {}),
	});
	children.forEach((child, i) => flatten(connection, child, found, ops, places, `${path}children[${i}].`, place));
}

function gather(connection: Connection, node: NewTree, results: Iterator<Enqueued>): EnqueuedTree {
	const job = new EnqueuedJob(connection, node.queue, results.next().value as Enqueued);
	return { job, children: (node.children ?? []).map((child) => gather(connection, child, results)) };
}

/** As the caller knows it: `children[0].priority`, not `ops[1].priority`; `children[0]` when that is refused as a whole, and nothing for all of the tree. */
function placed(error: ProblemError, places: readonly string[]): ProblemError {
	const [, at, own] = /^ops\[(\d+)\]\.?(.*)$/.exec(error.field ?? '') ?? [];
	if (at === undefined)
		return error;
	const field = `${places[Number(at)] ?? ''}${own}`.replace(/\.$/, '');
	const { title, status, code, detail, retryAfterMs } = error;
	return problemError({ type: 'about:blank', title, status, code, detail, ...(field ? { field } : {}) }, retryAfterMs);
}

/** All of it, or nothing. @internal */
export async function enqueueTree(connection: Connection, root: NewTree, idempotencyKey: string = requestKey()): Promise<EnqueuedTree> {
	const places: string[] = [];
	const { results } = await producing(root.queue, (trace) => {
		const ops: Wire[] = [];
		flatten(connection, root, trace, ops, places);
		return connection.call<{ results: Enqueued[] }>('POST', '/v1/batch', { body: { atomic: true, ops }, idempotencyKey });
	}).catch((error: unknown) => {
		throw error instanceof ProblemError ? placed(error, places) : error;
	});
	return gather(connection, root, results.values());
}
