// BullMQ's telemetry: spans of a small tracer in memory, and their way from who adds to who works.
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Job } from 'bullmq';
import { cases, heard, until } from './world.js';

interface Seen {
	readonly id: number;
	readonly parent: number | null;
	readonly name: string;
	readonly attributes: Record<string, unknown>;
	readonly events: string[];
	ended: boolean;
}

type Context = { span?: number };

function tracing() {
	const spans: Seen[] = [], active = new AsyncLocalStorage<Context>();
	const now = (): Context => active.getStore() ?? {};
	return {
		spans,
		tracer: {
			startSpan(name: string, _options?: object, context?: Context) {
				const span: Seen = { id: spans.length + 1, parent: (context ?? now()).span ?? null, name, attributes: {}, events: [], ended: false };
				spans.push(span);
				return {
					setSpanOnContext: (before: Context): Context => ({ ...before, span: span.id }),
					setAttribute: (key: string, value: unknown): void => void (span.attributes[key] = value),
					setAttributes: (more: object): void => void Object.assign(span.attributes, more),
					addEvent: (event: string): void => void span.events.push(event),
					recordException: (error: unknown): void => void span.events.push(String((error as Error).message ?? error)),
					end: (): void => void (span.ended = true),
				};
			},
		},
		contextManager: {
			with: <A extends (...args: unknown[]) => unknown>(context: Context, fn: A): ReturnType<A> => active.run(context, fn) as ReturnType<A>,
			active: now,
			root: (): Context => ({}),
			getMetadata: (context: Context): string => JSON.stringify(context),
			fromMetadata: (_before: Context, text: string): Context => JSON.parse(text) as Context,
		},
	};
}

const named = (spans: readonly Seen[], part: string): Seen => spans.find((span) => span.name.startsWith(part))!;

cases('telemetry', {
	'the work is a child of the add': {
		is: [true, ['1', 'a'], true, true],
		async run(world) {
			const telemetry = tracing();
			const queue = world.queue('q', { telemetry });
			const worker = world.worker(async () => 1, { telemetry, name: 'w' });
			const done = heard(worker, 'completed');
			await queue.add('a', 1);
			await done;
			await until(() => named(telemetry.spans, 'process')?.ended ?? false);
			const add = named(telemetry.spans, 'add'), process = named(telemetry.spans, 'process');
			return [process.parent === add.id, [process.attributes['bullmq.job.id'], process.attributes['bullmq.job.name']], add.ended, process.ended];
		},
	},
	'of many that are added at once too': {
		is: [true, 2],
		async run(world) {
			const telemetry = tracing();
			const queue = world.queue('q', { telemetry });
			await queue.addBulk([{ name: 'a', data: 1 }, { name: 'b', data: 2 }]);
			const worker = world.worker(async () => 1, { telemetry });
			await heard(worker, 'completed', 2);
			await until(() => telemetry.spans.filter((span) => span.name.startsWith('process') && span.ended).length === 2);
			const bulk = named(telemetry.spans, 'addBulk'), all = telemetry.spans.filter((span) => span.name.startsWith('process'));
			return [all.every((span) => span.parent === bulk.id), all.length];
		},
	},
	'a context of its own, or none': {
		is: [7, null],
		async run(world) {
			const telemetry = tracing();
			const queue = world.queue();
			await queue.add('own', 1, { telemetry: { metadata: '{"span":7}' } });
			await queue.add('none', 1, { telemetry: { omitContext: true } });
			const worker = world.worker(async () => 1, { telemetry });
			await heard(worker, 'completed', 2);
			const all = telemetry.spans.filter((span) => span.name.startsWith('process'));
			return ['own', 'none'].map((name) => all.find((span) => span.attributes['bullmq.job.name'] === name)!.parent);
		},
	},
	'failures are told': {
		is: [['job failed'], 'no'],
		async run(world) {
			const telemetry = tracing();
			const queue = world.queue('q', { telemetry });
			const worker = world.worker(async (_job: Job) => {
				throw new Error('no');
			}, { telemetry });
			const failed = heard(worker, 'failed');
			await queue.add('a', 1);
			await failed;
			await until(() => named(telemetry.spans, 'process')?.ended ?? false);
			return [named(telemetry.spans, 'process').events, (await queue.getJob('1'))!.failedReason];
		},
	},
	'a retry leaves the options of the job as they were added': {
		is: true,
		async run(world) {
			const telemetry = tracing();
			const queue = world.queue('q', { telemetry });
			await queue.add('a', 1, { attempts: 2 });
			const before = (await queue.getJob('1'))!.opts.telemetry?.metadata;
			const worker = world.worker(async (job: Job) => {
				if (!job.attemptsMade)
					throw new Error('once');
			}, { telemetry });
			await heard(worker, 'completed');
			return before !== undefined && (await queue.getJob('1'))!.opts.telemetry?.metadata === before;
		},
	},
	'the check for stalled jobs is traced': {
		is: [true],
		async run(world) {
			const telemetry = tracing();
			world.queue();
			world.worker(async () => 1, { telemetry, stalledInterval: 30 });
			await until(() => telemetry.spans.some((span) => span.name.startsWith('moveStalledJobsToWait') && span.ended));
			return [true];
		},
	},
});
