import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { context, propagation, trace, SpanKind } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { currentTrace, Ruche, withTrace, type Trace } from 'ruche';
import { startRuche } from 'ruche/test';

const server = await startRuche();
after(() => server.stop());

const PARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const OTHER = '00-11111111111111111111111111111111-2222222222222222-01';

test('without OpenTelemetry: withTrace, a hook, an option; handlers go on in the job\'s trace', async () => {
	const first = server.ruche.queue<number, Trace>('first'), second = server.ruche.queue<number>('second');
	const worker = server.ruche.worker(first, async () => {
		await second.enqueue(1, { id: 'made-inside' });
		return currentTrace()!;
	});
	const job = await withTrace({ traceparent: PARENT, baggage: 'a=1' }, () => first.enqueue(1));
	assert.deepEqual(await job.result(), { traceparent: PARENT, baggage: 'a=1' });
	assert.equal((await second.get('made-inside')).trace?.traceparent, PARENT);
	assert.equal(currentTrace(), undefined);
	assert.equal((await (await second.enqueue(1)).get()).trace, null);
	const many = await withTrace({ traceparent: PARENT }, () => second.enqueueMany([{ payload: 1 }, { payload: 2, trace: { traceparent: OTHER } }, { payload: 3, trace: null }]));
	assert.deepEqual(await Promise.all(many.map(async (one) => (await one.get()).trace?.traceparent)), [PARENT, OTHER, undefined]);
	const hooked = new Ruche({ url: server.url, trace: () => ({ traceparent: OTHER }) });
	assert.equal((await (await hooked.queue('second').enqueue(1)).get()).trace?.traceparent, OTHER);
	await hooked.close();
	await worker.close();
});

test('with OpenTelemetry: producer and consumer spans, one trace through the queue', async () => {
	const exporter = new InMemorySpanExporter();
	trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }));
	context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
	propagation.setGlobalPropagator(new W3CTraceContextPropagator());
	const queue = server.ruche.queue<number, string>('spans', { defaults: { maxAttempts: 1 } });
	const worker = server.ruche.worker(queue, ({ payload }) => {
		if (payload === 2)
			throw new Error('no luck');
		return trace.getActiveSpan()!.spanContext().traceId;
	});
	const tracer = trace.getTracer('test');
	const [outer, inner] = await tracer.startActiveSpan('request', async (span) => {
		const result = await (await queue.enqueue(1)).result();
		span.end();
		return [span.spanContext().traceId, result];
	});
	assert.equal(inner, outer);
	await server.ended(await queue.enqueue(2));
	await worker.close();
	const spans = exporter.getFinishedSpans();
	const send = spans.find(({ name }) => name === 'send spans')!, process = spans.find(({ name }) => name === 'process spans')!;
	assert.equal(send.kind, SpanKind.PRODUCER);
	assert.equal(process.kind, SpanKind.CONSUMER);
	assert.equal(process.parentSpanContext?.spanId, send.spanContext().spanId);
	assert.equal(process.attributes['messaging.destination.name'], 'spans');
	const failed = spans.filter(({ name }) => name === 'process spans')[1]!;
	assert.deepEqual([failed.status.message, failed.events[0]?.name], ['no luck', 'exception']);
	trace.disable();
	context.disable();
	propagation.disable();
});
