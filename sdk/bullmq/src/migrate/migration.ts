// Moves queues from Redis to the daemon. Every queue is paused here until it is whole: nothing ends and goes while an interrupted run may have to be
// started again, so that looking at what is there is enough to move nothing twice. Redis is only read, unless what was moved is to be removed.
import type { Finished, Gone, RedisQueue, Spot } from './redis-queue.js';
import type { Progress } from './progress.js';
import { add, countsText, queueReport, skip, type QueueReport, type Report } from './report.js';
import { keyOf, millisOf, moveScheduler } from './scheduler.js';
import { moveJob, type StoredJob } from './stored-job.js';
import type { Outcome, Target } from './target.js';
import { locate, readTree, treeRequests, type Indexed, type TreeNode } from './trees.js';

const PAGE = 500; // jobs read and sent at once
const WAIT_MS = 1_000;

export interface Wishes {
	readonly finished: Finished;
	readonly dryRun: boolean;
	readonly wait: boolean;
	readonly again: boolean;
	readonly remove: boolean;
}

/** Said to the person at the keyboard; nothing was changed, or what was done is whole. */
export class Refused extends Error {}

interface Moving extends Indexed {
	readonly spots: readonly Spot[];
	readonly finished: readonly Spot[];
	readonly report: QueueReport;
	/** There may be jobs on the daemon already. */
	readonly fresh: boolean;
	/** As it was on the daemon before. */
	readonly paused: boolean;
	/** Jobs of schedulers, which make them anew. */
	readonly pending: Map<string, StoredJob>;
	readonly schedulerKeys: ReadonlySet<string>;
	/** What may be taken out of Redis. */
	readonly done: Gone[];
	readonly doneSchedulers: string[];
}

export class Migration {
	readonly #queues: readonly RedisQueue[];
	readonly #target: Target;
	readonly #wishes: Wishes;
	readonly #progress: Progress;
	readonly #report: Report;

	constructor(queues: readonly RedisQueue[], target: Target, wishes: Wishes, progress: Progress, report: Report) {
		this.#queues = queues;
		this.#target = target;
		this.#wishes = wishes;
		this.#progress = progress;
		this.#report = report;
	}

	async run(): Promise<void> {
		const started = performance.now();
		await this.#quiet();
		const moving: Moving[] = [];
		for (const queue of this.#queues)
			moving.push(await this.#look(queue));
		for (const one of moving)
			this.#progress.say(`${one.queue.name}: ${countsText(one.report.found)}`);
		if (!this.#wishes.dryRun)
			for (const one of moving)
				await this.#target.begin(one.queue.place, one.paused);
		for (const one of moving)
			await this.#moveSingly(moving, one);
		for (const one of moving)
			await this.#moveTrees(moving, one);
		for (const one of moving)
			await this.#moveSchedulers(one);
		for (const one of moving)
			await this.#finish(one);
		this.#report.seconds = Math.round((performance.now() - started) / 100) / 10;
	}

	// ---- before ----

	/** Nobody works on them in Redis any more. */
	async #quiet(): Promise<void> {
		for (let told = false; ;) {
			const busy: string[] = [];
			for (const queue of this.#queues) {
				const { active } = await queue.counts(), workers = await queue.workers();
				if (workers === undefined && !this.#report.notes.includes(NOT_ASKED))
					this.#report.notes.push(NOT_ASKED);
				if (workers?.length)
					busy.push(`queue '${queue.name}' has workers attached (${workers.length})`);
				if (active)
					busy.push(`queue '${queue.name}' has active jobs (${active})`);
			}
			if (!busy.length)
				return;
			if (!this.#wishes.wait)
				throw new Refused(`${busy.join('; ')}. Close its workers and let them end what they run, or say --wait. Jobs that are active without a `
					+ 'worker were left by one that died: start a worker for as long as it takes to put them back (stalledInterval). Nothing was changed.');
			if (!told)
				this.#progress.say(`waiting: ${busy.join('; ')}`);
			told = true;
			await new Promise((resolve) => setTimeout(resolve, WAIT_MS));
		}
	}

	async #look(queue: RedisQueue): Promise<Moving> {
		const there = await this.#target.queue(queue.place), mark = this.#target.markOf(there);
		const settings = there?.settings as { compat?: string | null } | undefined;
		const jobs = Object.values(there?.states ?? {}).reduce((sum, count) => sum + count, 0);
		if (there && !settings?.compat && jobs)
			throw new Refused(`queue '${queue.name}' on the daemon keeps Ruche's own rules and has ${jobs} jobs: BullMQ's jobs cannot go there. `
				+ 'Empty it, or move to another daemon. Nothing was changed.');
		if (mark?.state === 'moved' && !this.#wishes.again && !this.#wishes.dryRun)
			throw new Refused(`queue '${queue.name}' was moved on ${mark.at}. What came to Redis since is moved with --again; a job that has run here and was `
				+ 'removed since, and is still in Redis, would then run once more. Nothing was changed.');
		const spots = await queue.live(), schedulers = await queue.schedulers();
		return {
			queue, ids: await queue.lastId(), spots, live: new Map(spots.map((spot) => [spot.id, spot])),
			finished: await queue.finished(this.#wishes.finished),
			report: this.#reportOf(queueReport(queue.name, await queue.counts())), fresh: !there || !jobs,
			paused: mark?.state === 'moving' ? mark.paused : there?.paused ?? false,
			pending: new Map(), schedulerKeys: new Set(schedulers.map(({ key }) => key)), done: [], doneSchedulers: [],
		};
	}

	#reportOf(report: QueueReport): QueueReport {
		this.#report.queues.push(report);
		return report;
	}

	// ---- jobs that stand alone ----

	async #moveSingly(all: readonly Moving[], one: Moving): Promise<void> {
		const spots = [...one.finished, ...one.spots.filter(({ state }) => state !== 'waiting-children')];
		this.#progress.start(one.queue.name, spots.length);
		const read = (at: number): Promise<StoredJob[]> => one.queue.jobs(spots.slice(at, at + PAGE));
		for (let at = 0, next = read(at); at < spots.length; at += PAGE) {
			const page = await next;
			next = read(at + PAGE); // while this one is sent
			next.catch(() => undefined); // it is heard of when it is its turn
			await this.#movePage(one, await this.#single(all, one, page));
			this.#progress.advance(page.length);
		}
		this.#progress.end();
	}

	/** Without those that come with their parents, or with their schedulers. */
	async #single(all: readonly Moving[], one: Moving, page: readonly StoredJob[]): Promise<StoredJob[]> {
		const alone = page.filter((job) => !this.#isPending(one, job));
		const children = alone.filter(({ fields }) => fields['parentKey']);
		const awaited = await one.queue.awaited(children.map(({ id, fields }) => [fields['parentKey']!, one.queue.key(id)]));
		const waitedFor = new Set(children.filter((_, i) => awaited[i]).map(({ id }) => id));
		return alone.filter((job) => !waitedFor.has(job.id) || this.#leavesParent(all, one, job));
	}

	/** Of a job that its parent waits for: does it go without it? Said why, if it does not go at all. */
	#leavesParent(all: readonly Moving[], { report }: Moving, job: StoredJob): boolean {
		const key = job.fields['parentKey']!, at = locate(all, key);
		if (at?.of.live.get(at.id)?.state === 'waiting-children')
			return false; // it comes with it
		if (at || job.state === 'completed' || job.state === 'failed') {
			add(report.differences, 'had a parent that does not wait any more, and has none now');
			return true;
		}
		const { queue } = all[0]!.queue.childOf(key);
		skip(report, job.id, `its parent is in queue '${queue}', which is not moved: name it too (--queue ${queue})`);
		return false;
	}

	/** A scheduler makes its next job anew; of several the last is the next. */
	#isPending(one: Moving, job: StoredJob): boolean {
		const key = keyOf(job);
		if (key === undefined || !one.schedulerKeys.has(key) || job.state === 'completed' || job.state === 'failed')
			return false;
		const before = one.pending.get(key);
		if (before && millisOf(before.id) > millisOf(job.id))
			return false;
		one.pending.set(key, job);
		return true;
	}

	async #movePage(one: Moving, page: readonly StoredJob[]): Promise<void> {
		const fresh = await this.#withoutThose(one, page);
		const ready: { job: StoredJob; json: string; differences: readonly string[] }[] = [];
		for (const job of fresh) {
			const moved = moveJob(one.queue.place, job, one.ids);
			if (moved.reason === undefined)
				ready.push({ job, ...moved });
			else
				skip(one.report, job.id, moved.reason);
		}
		const outcomes = this.#wishes.dryRun ? [] : await this.#target.send(ready.map(({ json }) => json));
		for (const [i, { job, differences }] of ready.entries())
			if (this.#took(one, job, outcomes[i]))
				for (const difference of differences)
					add(one.report.differences, difference);
	}

	#took(one: Moving, job: StoredJob, outcome: Outcome | undefined): boolean {
		const { report } = one;
		if (outcome && 'reason' in outcome)
			skip(report, job.id, outcome.reason);
		else if (outcome?.deduplicated)
			skip(report, job.id, `job ${outcome.id} on the daemon owns its deduplication key`);
		else if (outcome?.duplicate)
			skip(report, job.id, OTHER_JOB);
		else {
			add(report.moved, job.state);
			this.#isDone(one, job);
			return true;
		}
		return false;
	}

	#isDone({ done }: Moving, { id, state, score, dedupMs, fields }: StoredJob): void {
		if (this.#wishes.remove)
			done.push({ id, state, score, ...(dedupMs === undefined ? {} : { dedup: fields['deid'] }) });
	}

	/** Less those that an earlier run moved, and those whose ids others have. */
	async #withoutThose(one: Moving, page: readonly StoredJob[]): Promise<StoredJob[]> {
		if (one.fresh || !page.length)
			return [...page];
		const there = await this.#target.existing(one.queue.place, page.map(({ id }) => id));
		return page.filter((job) => {
			const other = there.get(job.id);
			if (!other)
				return true;
			if (isSame(job, other)) {
				one.report.already++;
				this.#isDone(one, job);
			} else {
				skip(one.report, job.id, OTHER_JOB);
			}
			return false;
		});
	}

	// ---- trees ----

	async #moveTrees(all: readonly Moving[], one: Moving): Promise<void> {
		const waiting = one.spots.filter(({ state }) => state === 'waiting-children');
		this.#progress.start(`${one.queue.name}, parents and children`, waiting.length);
		for (let at = 0; at < waiting.length; at += PAGE) {
			const page = await one.queue.jobs(waiting.slice(at, at + PAGE));
			const parents = page.map(({ id, fields }): [string, string] => [fields['parentKey'] ?? '', one.queue.key(id)]);
			const awaited = await one.queue.awaited(parents);
			for (const [i, job] of page.entries()) {
				const above = awaited[i] ? locate(all, parents[i]![0]) : undefined;
				if (above?.of.live.get(above.id)?.state !== 'waiting-children') // otherwise it comes with that one
					await this.#moveTree(all, one, job, Boolean(awaited[i]) && !above);
				this.#progress.advance(1);
			}
		}
		this.#progress.end();
	}

	async #moveTree(all: readonly Moving[], one: Moving, root: StoredJob, cutOff: boolean): Promise<void> {
		const tree = await readTree(all, one, root);
		const there = await this.#thereOf(tree.nodes);
		const made = cutOff ? { reason: 'its parent is in a queue that is not moved: name that too' } : tree.reason ? { reason: tree.reason }
			: treeRequests(tree, ({ of, job }) => there.get(of)!.has(job.id));
		let reason = 'reason' in made ? made.reason : undefined;
		for (const request of 'requests' in made && !this.#wishes.dryRun ? made.requests : []) {
			const outcome: Outcome = reason === undefined ? await this.#target.sendTogether(request) : { reason };
			if ('reason' in outcome)
				({ reason } = outcome);
		}
		for (const { of, job } of tree.nodes) {
			const { report } = of as Moving;
			if (reason !== undefined)
				skip(report, job.id, reason);
			else if (there.get(of)!.has(job.id))
				report.already++;
			else
				add(report.moved, job.state);
			if (reason === undefined)
				this.#isDone(of as Moving, job);
		}
		for (const difference of reason === undefined && 'differences' in made ? made.differences : [])
			add(one.report.differences, difference);
	}

	async #thereOf(nodes: readonly TreeNode[]): Promise<Map<Indexed, Set<string>>> {
		const there = new Map<Indexed, Set<string>>();
		for (const of of new Set(nodes.map((node) => node.of))) {
			const jobs = nodes.filter((node) => node.of === of).map(({ job }) => job);
			const found = (of as Moving).fresh ? new Map<string, never>() : await this.#target.existing(of.queue.place, jobs.map(({ id }) => id));
			there.set(of, new Set(found.keys()));
		}
		return there;
	}

	// ---- schedulers ----

	async #moveSchedulers(one: Moving): Promise<void> {
		const schedulers = this.#target.schedulers(one.queue.place);
		for (const scheduler of await one.queue.schedulers()) {
			const { key } = scheduler, pending = one.pending.get(key);
			if (!one.fresh && await schedulers.get(key)) {
				one.report.already++;
			} else {
				const moved = moveScheduler(scheduler, pending);
				const reason = 'reason' in moved ? moved.reason : this.#wishes.dryRun ? undefined : await this.#target.putScheduler(schedulers, moved);
				if (reason !== undefined) {
					skip(one.report, key, reason);
					continue;
				}
				add(one.report.moved, 'schedulers');
			}
			one.doneSchedulers.push(key);
			if (pending)
				this.#isDone(one, pending);
		}
	}

	// ---- after ----

	async #remove({ queue, done, doneSchedulers, report }: Moving): Promise<void> {
		for (let at = 0; at < done.length; at += PAGE) {
			const page = done.slice(at, at + PAGE);
			await queue.remove(page);
			report.removed += page.length;
		}
		await queue.removeSchedulers(doneSchedulers);
	}

	async #finish(one: Moving): Promise<void> {
		const { queue, report } = one, meta = await queue.meta();
		report.paused = one.paused || meta['paused'] === '1';
		if (this.#wishes.dryRun)
			return;
		if (this.#wishes.remove)
			await this.#remove(one);
		const left = (await queue.live()).filter(({ id }) => !one.live.has(id)).length;
		if (left)
			add(report.differences, 'came to Redis while this ran, and is there still: stop who adds there, then run this with --again', left);
		await this.#target.end(queue.place, meta, report.paused);
	}
}

const NOT_ASKED = 'Redis did not say who is connected (CLIENT LIST): whether workers are attached was not looked at.';
const OTHER_JOB = 'another job has this id on the daemon';

/** The same job, not only its id. */
function isSame({ fields }: StoredJob, other: { timestamp: number; name: string }): boolean {
	return other.timestamp === Number(fields['timestamp'] ?? 0) && other.name === fields['name'];
}

