import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { InvalidPayloadError, type Schema } from 'ruche';
import { startRuche } from 'ruche/test';
import { z } from 'zod';

const server = await startRuche();
after(() => server.stop());

const mailSchema = z.object({ to: z.email(), at: z.iso.datetime().transform((text) => new Date(text)), copies: z.number().default(1) });

test('a schema checks on enqueue, sends what was given, and makes what the handler gets', async () => {
	const mail = server.ruche.queue('mail', { schema: mailSchema });
	const worker = server.ruche.worker(mail, ({ payload }) => {
		const at: Date = payload.at; // typed by the schema
		return [at.getUTCFullYear(), payload.copies];
	});
	const job = await mail.enqueue({ to: 'a@b.fr', at: '2026-01-02T03:04:05Z' });
	assert.deepEqual(await job.result(), [2026, 1]);
	assert.deepEqual((await job.get()).payload, { to: 'a@b.fr', at: '2026-01-02T03:04:05Z' });
	await assert.rejects(mail.enqueue({ to: 'nobody', at: 'soon' }), (error: InvalidPayloadError) =>
		error instanceof InvalidPayloadError && error.code === 'invalid_payload' && error.issues.length === 2 && /queue 'mail': to: .*; at: /.test(error.message));
	await assert.rejects(mail.enqueueMany([{ payload: { to: 'a@b.fr', at: '2026-01-02T03:04:05Z' } }, { payload: { to: '', at: '' } }]), InvalidPayloadError);
	// @ts-expect-error the compiler knows, too
	await assert.rejects(mail.enqueue({ to: 5 }), InvalidPayloadError);
	assert.equal((await mail.stats()).enqueued, 1);
	await worker.close();
});

test('a payload that came another way and does not fit fails for good before the handler', async () => {
	const job = await server.ruche.queue('strict').enqueue({ to: 1 });
	let handled = 0;
	const worker = server.ruche.worker('strict', () => ++handled, { schema: mailSchema });
	const view = await server.ended(job);
	assert.deepEqual([view.state, view.outcome, view.attemptsMade, view.error?.type, handled], ['failed', 'final_error', 1, 'InvalidPayloadError', 0]);
	await worker.close();
});

test('any Standard Schema does, also one that takes its time', async () => {
	const even: Schema<number> = { '~standard': {
		version: 1, vendor: 'ours',
		validate: async (value) => Promise.resolve(typeof value === 'number' && value % 2 === 0 ? { value } : { issues: [{ message: 'not even', path: [{ key: 'n' }, 0] }] }),
	} };
	const queue = server.ruche.queue('even', { schema: even });
	await queue.enqueue(2);
	await assert.rejects(queue.enqueue(3), /queue 'even': n\.0: not even$/);
});
