import { RucheError } from './errors.js';
import { queryText } from './link.js';
import { pathOf } from './place.js';
const PAGE = 1_000; // of one answer
/** BullMQ's types and the daemon's states; others are none. */
const STATES = {
    wait: 'waiting', waiting: 'waiting', active: 'active', prioritized: 'prioritised', delayed: 'delayed', 'waiting-children': 'waiting_children',
    completed: 'completed', failed: 'failed',
};
/** On Redis these are lists, whose newest is at the head: BullMQ turns them round again when it asked for the oldest first. */
const LISTS = new Set(['wait', 'waiting', 'active']);
export class Ranges {
    #link;
    #coalescer;
    #place;
    constructor(link, coalescer, place) {
        this.#link = link;
        this.#coalescer = coalescer;
        this.#place = place;
    }
    /** Ids of a type from one place to another, both included; as BullMQ expects them from a backend. */
    async ids(type, start, end, ascending) {
        const state = STATES[type];
        if (!state)
            return [];
        const order = ascending ? 'asc' : 'desc';
        const ids = [];
        for (let from = start;;) {
            const { ids: page = [], total } = await this.#ask({ state, from, to: end, order }, 'ids');
            ids.push(...page.map((name) => name.id));
            from = (from < 0 ? Math.max(0, total + from) : from) + page.length;
            if (page.length < PAGE || (end >= 0 && from > end) || from >= total)
                break;
        }
        return ascending && LISTS.has(type) ? ids.reverse() : ids;
    }
    async count(type, before) {
        const state = STATES[type];
        return state ? (await this.#ask({ state, before }, 'none')).total : 0;
    }
    /** One page of names. */
    async names(range) {
        return (await this.#ask(range, 'ids')).ids ?? [];
    }
    /** One page of whole jobs, without their payloads. */
    async jobs(range) {
        return (await this.#ask(range, 'jobs')).jobs ?? [];
    }
    async #ask({ before, ...range }, what) {
        await this.#link.ready();
        await this.#coalescer.settled();
        const instant = before === undefined ? undefined : new Date(before).toISOString();
        const path = pathOf(this.#place, `/range${queryText({ namespace: this.#place.namespace, ...range, before: instant, what })}`);
        try {
            return await this.#link.call('GET', path);
        }
        catch (error) {
            if (error instanceof RucheError && error.code === 'queue_not_found')
                return { total: 0 };
            throw error;
        }
    }
    /** Lines from one place to another; descending: places count from the newest, which comes first. */
    async logs(uid, start, end, ascending) {
        const logs = [];
        let count = 0;
        for (let from = start;;) {
            const limit = end < 0 ? PAGE : Math.min(PAGE, Math.max(1, end - from + 1));
            const query = queryText({ from, limit, order: ascending ? 'asc' : 'desc' });
            let page;
            try {
                page = await this.#link.call('GET', `/v1/jobs/${uid}/logs${query}`);
            }
            catch (error) {
                if (error instanceof RucheError && error.code === 'job_not_found')
                    return { logs: [], count: 0 };
                throw error;
            }
            ({ count } = page);
            logs.push(...page.logs.map((row) => row.line));
            from += page.logs.length;
            if (page.logs.length < limit || (end >= 0 && from > end) || from >= count)
                break;
        }
        return { logs: end < -1 ? logs.slice(0, end + 1) : logs, count };
    }
    /** [[all ever, when the last minute began, its count], points newest first, how many points there are]. */
    async metrics(type, start, end) {
        await this.#link.ready();
        const path = pathOf(this.#place, `/metrics${queryText({ namespace: this.#place.namespace, type, from: start, to: end })}`);
        const { total, since_at: since, last, points, count } = await this.#link.call('GET', path);
        return [[String(total), since ? String(Date.parse(since)) : '0', String(last)], points.map(String), count];
    }
}
