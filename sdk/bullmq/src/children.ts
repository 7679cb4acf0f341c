// Who waits for whom: a job's parent on the way in, its children on the way out.
import type { JobJson } from 'bullmq';
import { RucheError } from './errors.js';
import type { Coalescer } from './coalescer.js';
import { queryText, type Link } from './link.js';
import { pathOf, type Place } from './place.js';
import type { WireChild, WireChildren, WireParent } from './wire.js';

const PAGE = 1_000;
const KEYS_MAX = 10_000;

/** BullMQ's words for what became of children. */
export const CATEGORIES = { processed: 'done', unprocessed: 'pending', ignored: 'ignored', failed: 'failed' } as const;
export type Category = keyof typeof CATEGORIES;

const FLAGS = { fpof: 'fail', cpof: 'continue', idof: 'ignore', rdof: 'forget' } as const;

/** A job as its children's data name it, for an enqueue. A child that fails is waited for, unless it says otherwise. */
export function parentOf(parent: JobJson['parent']): Omit<WireParent, 'uid' | 'state'> | undefined {
	if (!parent?.queueKey || parent.id === undefined)
		return undefined;
	const flag = (Object.keys(FLAGS) as (keyof typeof FLAGS)[]).find((name) => parent[name]);
	return { ...placeOf(parent.queueKey), id: String(parent.id), on_failure: flag ? FLAGS[flag] : 'hold' };
}

/** `prefix:queue`: names of queues have no colon. */
export function placeOf(qualified: string): Place {
	const at = qualified.lastIndexOf(':');
	return at < 0 ? { namespace: 'bull', queue: qualified } : { namespace: qualified.slice(0, at), queue: qualified.slice(at + 1) };
}

export interface Node {
	prefix: string;
	queueName: string;
	id: string;
}

/** Keys of jobs, `prefix:queue:id`. Those that were told are remembered where their ids have colons, which the text alone would not tell. */
export class NodeKeys {
	readonly #odd = new Map<string, Node>();

	keyOf({ namespace, queue, id }: { namespace: string | null; queue: string | null; id: string }): string {
		const node = { prefix: namespace ?? '', queueName: queue ?? '', id };
		const key = `${node.prefix}:${node.queueName}:${id}`;
		if (id.includes(':')) {
			this.#odd.set(key, node);
			if (this.#odd.size > KEYS_MAX)
				this.#odd.delete(this.#odd.keys().next().value!);
		}
		return key;
	}

	parse(key: string): Node {
		const known = this.#odd.get(key);
		if (known)
			return known;
		const last = key.lastIndexOf(':'), before = key.lastIndexOf(':', last - 1);
		if (last < 0 || before < 0) {
			const [prefix = '', queueName = '', id = ''] = key.split(':');
			return { prefix, queueName, id };
		}
		return { prefix: key.slice(0, before), queueName: key.slice(before + 1, last), id: key.slice(last + 1) };
	}
}

/** What a child failed with, as text. */
export function reasonOf(child: WireChild): string {
	return String((child.value as { message?: unknown } | null)?.message ?? '');
}

export class Children {
	readonly #link: Link;
	readonly #coalescer: Coalescer;
	readonly #place: Place;

	constructor(link: Link, coalescer: Coalescer, place: Place) {
		this.#link = link;
		this.#coalescer = coalescer;
		this.#place = place;
	}

	async counts(id: string): Promise<WireChildren['counts']> {
		return (await this.#page(id, { limit: 1 })).counts;
	}

	/** Children of a category from one place to another, in the order in which they were made; `total` of them all. */
	async list(id: string, category: Category, from = 0, count = Infinity): Promise<{ children: WireChild[]; total: number }> {
		const state = CATEGORIES[category];
		const children: WireChild[] = [];
		for (let cursor: string | undefined; ;) {
			const page = await this.#page(id, { state, cursor, limit: PAGE });
			children.push(...page.children);
			if (!page.next_cursor || children.length >= from + count)
				return { children: children.slice(from, from + count), total: page.counts[state] };
			cursor = page.next_cursor;
		}
	}

	/** A job that is not there has no children. */
	async #page(id: string, query: Record<string, string | number | undefined>): Promise<WireChildren> {
		await this.#link.ready();
		await this.#coalescer.settled();
		const path = pathOf(this.#place, `/jobs/${encodeURIComponent(id)}/children${queryText({ namespace: this.#place.namespace, ...query })}`);
		try {
			return await this.#link.call<WireChildren>('GET', path);
		} catch (error) {
			if (error instanceof RucheError && (error.code === 'job_not_found' || error.code === 'queue_not_found'))
				return { counts: { pending: 0, done: 0, ignored: 0, failed: 0 }, children: [], next_cursor: null };
			throw error;
		}
	}
}
