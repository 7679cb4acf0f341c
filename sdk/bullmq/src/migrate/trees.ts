// Parents that wait, with the children that they wait for: a tree is moved whole or stays. Its operations come parents first, so that at the end of
// each request every parent that came with it waits for somebody.
import type { WireParent } from '../wire.js';
import type { RedisQueue, Spot } from './redis-queue.js';
import { moveJob, onFailure, readOpts, type StoredJob } from './stored-job.js';

const REQUEST_CHARS = 1_500_000, REQUEST_OPS = 10_000;

/** A queue that is moved, and where its jobs are. */
export interface Indexed {
	readonly queue: RedisQueue;
	readonly ids: number;
	/** All that is to run, by id. */
	readonly live: ReadonlyMap<string, Spot>;
}

export interface TreeNode {
	readonly of: Indexed;
	readonly job: StoredJob;
	/** Place of its parent in the list. */
	readonly parent: number | undefined;
}

export interface Tree {
	/** Parents before their children. */
	readonly nodes: TreeNode[];
	/** Why it has to stay. */
	readonly reason?: string;
}

/** Finds a job by its key among the queues that are moved. */
export function locate(queues: readonly Indexed[], key: string): { of: Indexed; id: string } | undefined {
	for (const of of queues)
		if (key.startsWith(`${of.queue.key()}:`))
			return { of, id: key.slice(of.queue.key().length + 1) };
	return undefined;
}

/** The tree below a job that waits and that nobody waits for, or nobody who is moved. */
export async function readTree(queues: readonly Indexed[], of: Indexed, root: Spot): Promise<Tree> {
	const nodes: TreeNode[] = [];
	let reason: string | undefined;
	const open: TreeNode[] = (await of.queue.jobs([root])).map((job) => ({ of, job, parent: undefined }));
	for (let next; (next = open.pop());) {
		nodes.push(next);
		if (next.job.state !== 'waiting-children')
			continue;
		const found = await Promise.all((await next.of.queue.pendingChildren(next.job.id)).map((key) => childAt(queues, key)));
		if (!found.length)
			reason ??= 'it waits for children, and Redis knows of none';
		reason ??= found.find((child) => typeof child === 'string');
		open.push(...await childNodes(queues, found, nodes.length - 1));
	}
	return { nodes, ...(reason ? { reason } : {}) };
}

/** The children that were found, read a queue at a time. */
async function childNodes(queues: readonly Indexed[], found: readonly ({ of: Indexed; spot: Spot } | string)[], parent: number): Promise<TreeNode[]> {
	const nodes: TreeNode[] = [];
	for (const of of queues) {
		const spots = found.flatMap((child) => (typeof child !== 'string' && child.of === of ? [child.spot] : []));
		nodes.push(...(await of.queue.jobs(spots)).map((job) => ({ of, job, parent })));
	}
	return nodes;
}

/** Where a child is; or why its tree has to stay. */
async function childAt(queues: readonly Indexed[], key: string): Promise<{ of: Indexed; spot: Spot } | string> {
	const at = locate(queues, key);
	if (!at) {
		const { queue } = queues[0]!.queue.childOf(key);
		return `it waits for a child in queue '${queue}', which is not moved: name it too (--queue ${queue})`;
	}
	const spot = at.of.live.get(at.id) ?? await at.of.queue.failedSpot(at.id);
	return spot ? { of: at.of, spot } : `it waits for ${key}, which is neither to run nor failed`;
}

/** Requests that carry the tree, less those of its jobs that are there already. A reason instead, when one of its jobs cannot be moved. */
export function treeRequests(tree: Tree, there: (node: TreeNode) => boolean): { requests: string[][]; differences: string[] } | { reason: string } {
	const requests: string[][] = [[]];
	const places = new Map<number, { request: number; ref: number }>(); // of nodes that are on their way
	const differences: string[] = [];
	let chars = 0;
	for (const [i, node] of tree.nodes.entries()) {
		if (there(node))
			continue;
		const follows = node.parent === i - 1; // a parent that came just before has nobody to wait for but this one
		if (!follows && (chars > REQUEST_CHARS || requests.at(-1)!.length >= REQUEST_OPS)) {
			requests.push([]);
			chars = 0;
		}
		const parents = node.parent === undefined ? [] : [parentOf(tree, node, places.get(node.parent), requests.length - 1)];
		const moved = moveJob(node.of.queue.place, { ...node.job, parents: parents as WireParent[] }, node.of.ids);
		if (moved.reason !== undefined)
			return { reason: `${node.of.queue.key(node.job.id)}: ${moved.reason}` };
		places.set(i, { request: requests.length - 1, ref: requests.at(-1)!.length });
		requests.at(-1)!.push(moved.json);
		differences.push(...moved.differences);
		chars += moved.json.length;
	}
	return { requests: requests.filter((request) => request.length), differences };
}

/** In the same request by its place, otherwise by queue and id. */
function parentOf(tree: Tree, node: TreeNode, place: { request: number; ref: number } | undefined, request: number): object {
	const { of, job } = tree.nodes[node.parent!]!;
	const on_failure = onFailure(readOpts(node.job.fields['opts']));
	return place?.request === request ? { ref: place.ref, on_failure } : { ...of.queue.place, id: job.id, on_failure };
}
