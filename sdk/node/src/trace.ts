// Trace context that travels with jobs: whoever enqueues inside a trace, the job's handler goes on in the same trace. OpenTelemetry is used when the
// program has it, through the global that its API registers; nothing of it is installed or imported.
import { AsyncLocalStorage } from 'node:async_hooks';

/** W3C trace context, and what else travels with it (`sentry-trace`, `baggage`). */
export interface Trace {
	readonly traceparent?: string;
	readonly tracestate?: string;
	readonly [name: string]: string | undefined;
}

/** What we use of OpenTelemetry's API. */
interface OpenTelemetry {
	context?: { active(): Context; with<T>(context: Context, run: () => T): T };
	propagation?: {
		inject(context: Context, carrier: Record<string, string>, setter: object): void;
		extract(context: Context, carrier: unknown, getter: object): Context;
	};
	trace?: { getTracer(name: string): { startSpan(name: string, options: object, context: Context): Span } };
}

interface Context {
	setValue(key: symbol, value: unknown): Context;
	getValue(key: symbol): unknown;
}

interface Span {
	spanContext(): object;
	recordException(error: unknown): void;
	setStatus(status: { code: number; message?: string }): void;
	end(): void;
}

const SPAN = Symbol.for('OpenTelemetry Context Key SPAN');
const PRODUCER = 3, CONSUMER = 4, ERROR = 2; // OpenTelemetry's numbers for span kinds and a status

/** One store for all copies of this package in the process. */
const store: AsyncLocalStorage<Trace> = ((globalThis as Record<symbol, unknown>)[Symbol.for('ruche.trace.1')] ??= new AsyncLocalStorage<Trace>()) as never;

const setter = { set: (carrier: Record<string, string>, name: string, value: string) => void (carrier[name] = value) };
const getter = {
	keys: (carrier: Record<string, string>) => Object.keys(carrier),
	get: (carrier: Record<string, string>, name: string) => carrier[name],
};

function openTelemetry(): OpenTelemetry | undefined {
	return (globalThis as Record<symbol, unknown>)[Symbol.for('opentelemetry.js.api.1')] as OpenTelemetry | undefined;
}

/** Runs `run` inside a trace: jobs that are enqueued there carry it. For programs without OpenTelemetry, for instance with a request's headers. */
export function withTrace<T>(trace: Trace, run: () => T): T {
	return store.run(trace, run);
}

/** The trace context of where we are now: OpenTelemetry's, or that of `withTrace` or of the job whose handler runs. */
export function currentTrace(): Trace | undefined {
	const api = openTelemetry();
	if (api?.propagation && api.context) {
		const carrier: Record<string, string> = {};
		api.propagation.inject(api.context.active(), carrier, setter);
		if (Object.keys(carrier).length)
			return carrier;
	}
	return store.getStore();
}

/** Whether enqueues and handlers get spans here. @internal */
export function spans(): boolean {
	const api = openTelemetry();
	return Boolean(api?.trace && api.context);
}

/** Runs `enqueue` inside a PRODUCER span, where OpenTelemetry is there; hands it the trace that the jobs are to carry. @internal */
export async function producing<T>(queue: string, enqueue: (trace: Trace | undefined) => Promise<T>): Promise<T> {
	const api = openTelemetry();
	if (!api?.trace || !api.context)
		return enqueue(currentTrace());
	const { context, span } = begin(api, `send ${queue}`, PRODUCER, attributes(queue, 'send'), api.context.active());
	return finish(span, () => api.context!.with(context, () => enqueue(currentTrace())));
}

/** Runs a job's handler in the job's trace; with OpenTelemetry inside a CONSUMER span, a child of what enqueued it. @internal */
export function consuming<T>(queue: string, uid: string, trace: Trace | null, run: () => T | Promise<T>): T | Promise<T> {
	const inside = trace ? () => store.run(trace, run) : run;
	const api = openTelemetry();
	if (!api?.propagation || !api.context || !api.trace)
		return inside();
	const parent = api.propagation.extract(api.context.active(), trace ?? {}, getter);
	const { context, span } = begin(api, `process ${queue}`, CONSUMER, { ...attributes(queue, 'process'), 'messaging.message.id': uid }, parent);
	return finish(span, () => api.context!.with(context, inside));
}

function attributes(queue: string, operation: string): Record<string, string> {
	return { 'messaging.system': 'ruche', 'messaging.destination.name': queue, 'messaging.operation.type': operation, 'messaging.operation.name': operation };
}

function begin(api: OpenTelemetry, name: string, kind: number, attributes: object, parent: Context): { context: Context; span: Span } {
	const span = api.trace!.getTracer('ruche').startSpan(name, { kind, attributes }, parent);
	return { context: parent.setValue(SPAN, span), span };
}

async function finish<T>(span: Span, work: () => T | Promise<T>): Promise<T> {
	try {
		return await work();
	} catch (error) {
		span.recordException(error);
		span.setStatus({ code: ERROR, message: error instanceof Error ? error.message : String(error) });
		throw error;
	} finally {
		span.end();
	}
}
