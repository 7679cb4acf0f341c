// The migration, as far as it needs no Redis: the command line, and what becomes of stored texts.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Misused, readArguments, readSince, type Arguments } from '#migrate/arguments.js';
import { moveScheduler } from '#migrate/scheduler.js';
import { moveJob, onFailure, readOpts, type StoredJob } from '#migrate/stored-job.js';
import { treeRequests, type Indexed, type Tree } from '#migrate/trees.js';

const PLACE = { namespace: 'bull', queue: 'q' };
const BASE = { name: 'n', data: '{"a":1}', opts: '{}', timestamp: '5' };

function operation(job: Partial<StoredJob>, fields: Record<string, string> = {}): { op: Record<string, any>; differences: readonly string[] } {
	const moved = moveJob(PLACE, { id: '1', state: 'waiting', ...job, fields: { ...BASE, ...fields } }, 9);
	assert.ok(moved.reason === undefined, moved.reason);
	return { op: JSON.parse(moved.json) as Record<string, any>, differences: moved.differences };
}

test('a job that waits', () => {
	const { op, differences } = operation({}, { opts: '{"attempts":3,"lifo":true,"kl":4,"tm":"trace","fpof":true,"de":{"id":"k"}}', priority: '7' });
	assert.deepEqual(op, {
		op: 'enqueue', compat: 'bullmq', ...PLACE, id: '1', name: 'n', priority: 7, max_attempts: 3, payload: { a: 1 },
		metadata: { opts: { attempts: 3, lifo: true, keepLogs: 4, telemetry: { metadata: 'trace' }, failParentOnFailure: true, deduplication: { id: 'k' } }, timestamp: 5 },
		past: { attempts_started: 0, attempts_made: 0, stalls: 0, ids: 9 },
	});
	assert.deepEqual(differences, []);
});

test('the data is kept byte for byte', () => {
	const data = '{"big":12345678901234567890, "e":1.0}';
	const moved = moveJob(PLACE, { id: '1', state: 'waiting', fields: { ...BASE, data } }, 0);
	assert.ok(moved.reason === undefined && moved.json.endsWith(`,"payload":${data}}`));
});

test('when it is due, and which keys it owns', () => {
	assert.equal(operation({ state: 'delayed', score: 1_700_000_000_123 * 0x1000 + 5 }).op['run_at'], '2023-11-14T22:13:20.123Z');
	const keyed = { opts: '{"de":{"id":"k","ttl":5000,"extend":true}}' };
	assert.deepEqual(operation({ dedupMs: 700 }, keyed).op['dedup'], { key: 'k', ttl_ms: 700, extend: true });
	assert.deepEqual(operation({ dedupMs: -1 }, keyed).op['dedup'], { key: 'k' });
	assert.equal(operation({}, keyed).op['dedup'], undefined);
});

test('what its attempts left', () => {
	const { op } = operation({ state: 'failed', logs: ['x'] }, {
		ats: '3', atm: '2', stc: '1', stacktrace: '["Error: one\\n  at a","TypeError: two"]', failedReason: 'two', processedOn: '1000', finishedOn: '2000', pb: 'w',
		progress: '{"p":1}',
	});
	assert.deepEqual(op['past'], {
		state: 'failed', attempts_started: 3, attempts_made: 2, stalls: 1, started_at: '1970-01-01T00:00:01.000Z', finished_at: '1970-01-01T00:00:02.000Z', worker: 'w',
		progress: { p: 1 }, errors: [{ message: 'one', stack: 'Error: one\n  at a' }, { message: 'two', stack: 'TypeError: two' }], logs: ['x'], ids: 9,
	});
	assert.equal(operation({}, { stacktrace: '["Error: one"]', atm: '1' }).op['past'].redone, true);
	assert.deepEqual(operation({ state: 'completed' }, { returnvalue: '[2]', attemptsMade: '1' }).op['past'].result, [2]);
	const many = operation({ state: 'failed' }, { atm: '2', stacktrace: '["Error: one","Error: two","Error: three"]', failedReason: 'three' }).op['past'];
	assert.deepEqual([many.attempts_started, many.errors.map(({ message }: { message: string }) => message)], [2, ['two', 'three']]);
});

test('what is too large is said, and what cannot be read stays', () => {
	const large = operation({ state: 'completed', logs: ['l'.repeat(9000)] }, { returnvalue: `"${'r'.repeat(300_000)}"`, progress: `"${'p'.repeat(20_000)}"` });
	assert.deepEqual([...large.differences].sort(), ['log line above 8 KiB is cut', 'progress above 16 KiB is left out', 'result above 256 KiB is left out']);
	assert.equal(large.op['past'].result, undefined);
	assert.equal(moveJob(PLACE, { id: '1', state: 'waiting', fields: { ...BASE, data: '{' } }, 0).reason, 'its data is no JSON');
	assert.equal(moveJob(PLACE, { id: '1', state: 'waiting', fields: {} }, 0).reason, 'its data is gone from Redis');
	const deferred = operation({ parents: [{ uid: 'p' }] as unknown as NonNullable<StoredJob['parents']> }, { defa: 'child x failed' });
	assert.deepEqual([deferred.op['past'].state, deferred.op['past'].deferred, deferred.op['parents'].length], [undefined, 'child x failed', 1]);
	assert.equal(operation({ state: 'failed' }, { defa: 'child x failed' }).op['past'].deferred, undefined);
});

test('options of old, under their short names', () => {
	assert.deepEqual(readOpts('{"idof":true,"omc":true}'), { ignoreDependencyOnFailure: true, telemetry: { omitContext: true } });
	assert.deepEqual(['fpof', 'cpof', 'idof', 'rdof', 'x'].map((name) => onFailure(readOpts(`{"${name}":true}`))), ['fail', 'continue', 'ignore', 'forget', 'hold']);
});

test('schedulers, and repeatable jobs of old', () => {
	const pending = (opts: object, data = '{}'): StoredJob => ({ id: 'repeat:k:7000', state: 'delayed', fields: { ...BASE, data, opts: JSON.stringify(opts) } });
	const now = moveScheduler({ key: 'k', next: 7000, fields: { name: 's', ic: '4', pattern: '* * * * *', tz: 'Europe/Paris', data: '{"d":1}', opts: '{"attempts":2}', limit: '9' } },
		pending({ attempts: 2, repeat: { count: 4 }, jobId: 'repeat:k:7000' }));
	assert.ok(!('reason' in now));
	assert.deepEqual([now.data, now.template, now.repeat], ['{"d":1}', { attempts: 2 }, { name: 's', pattern: '* * * * *', tz: 'Europe/Paris', limit: 9 }]);
	assert.equal((now.iteration as { repeat?: { count?: number } }).repeat?.count, 4);
	const every = moveScheduler({ key: 'k', next: 7000, fields: { name: 's', every: '2000' } }, pending({ attempts: 5, repeat: { every: 2000 }, prevMillis: 1 }, '{"old":1}'));
	assert.ok(!('reason' in every));
	assert.deepEqual([every.data, every.template, every.repeat], ['{"old":1}', { attempts: 5 }, { name: 's', every: 2000, offset: 1000, startDate: 7000 }]);
	const older = moveScheduler({ key: 'mail::1800000000000:Europe/Rome:0 3 * * *', next: 7000, fields: {} }, pending({}));
	assert.ok(!('reason' in older));
	assert.deepEqual(older.repeat, { name: 'n', pattern: '0 3 * * *', tz: 'Europe/Rome', endDate: 1_800_000_000_000 });
	assert.ok('reason' in moveScheduler({ key: 'k', next: 7000, fields: { every: '5' } }, undefined));
});

test('a tree in several requests: every parent comes with a child', () => {
	const of = { queue: { place: PLACE, key: (id: string) => `bull:q:${id}` }, ids: 0 } as unknown as Indexed;
	const node = (id: string, state: StoredJob['state'], parent: number | undefined, bytes = 0): Tree['nodes'][number] => ({
		of, parent, job: { id, state, fields: { ...BASE, data: JSON.stringify('x'.repeat(bytes)) } },
	});
	const tree: Tree = { nodes: [
		node('r', 'waiting-children', undefined), node('a', 'waiting-children', 0, 2_000_000), node('a1', 'waiting', 1), node('a2', 'waiting', 1), node('b', 'waiting', 0),
	] };
	const made = treeRequests(tree, () => false);
	assert.ok('requests' in made);
	const told = made.requests.map((request) => request.map((json) => {
		const { id, parents } = JSON.parse(json) as { id: string; parents?: { ref?: number; id?: string }[] };
		return [id, parents?.[0]?.ref ?? parents?.[0]?.id];
	}));
	assert.deepEqual(told, [[['r', undefined], ['a', 0], ['a1', 1]], [['a2', 'a'], ['b', 'r']]]);
	const rest = treeRequests(tree, ({ job }) => job.id !== 'b');
	assert.deepEqual('requests' in rest && rest.requests.map((request) => request.length), [1]);
});

test('the command line', () => {
	const base = ['migrate', '--from', 'redis://h'];
	const { queues, most, since, prefix, all } = readArguments([...base, '--queue', 'a', '--queue', 'b', '--queue', 'a']) as Arguments;
	assert.deepEqual([queues, most, since, prefix, all], [['a', 'b'], 1000, -Infinity, 'bull', false]);
	assert.equal((readArguments([...base, '--all', '--with-finished', 'all']) as Arguments).most, Infinity);
	assert.equal((readArguments([...base, '--all', '--finished-since', '7d']) as Arguments).most, Infinity);
	assert.equal(readSince('2h', 10_000_000), 2_800_000);
	assert.equal(readSince('2026-11-01', 0), Date.parse('2026-11-01'));
	for (const [words, what] of [
		[['migrate', '--all'], /--from: expected redis:/], [['migrate', '--from', 'http://x', '--all'], /got 'http:\/\/x'/], [base, /say which queues/],
		[[...base, '--all', '--queue', 'a'], /say which queues/], [[...base, '--queue', 'a:b'], /'a:b' is no name/], [[...base, '--all', '--with-finished', 'some'], /got 'some'/],
		[[...base, '--all', '--finished-since', 'soon'], /got 'soon'/], [['move'], /there is no command 'move'/], [[...base, '--all', '--colour'], /--colour/],
	] as const)
		assert.throws(() => readArguments(words), (error: Error) => error instanceof Misused && what.test(error.message), words.join(' '));
});

test('help, and what is wrong with the words', async () => {
	const run = promisify(execFile), cli = fileURLToPath(new URL('../dist/esm/cli.js', import.meta.url));
	const { stdout } = await run(process.execPath, [cli, '--help']);
	assert.match(stdout, /^Usage: npx @ruche\/bullmq migrate --from/);
	const misused = await run(process.execPath, [cli, 'migrate']).catch((error: { code: number; stderr: string }) => error) as { code: number; stderr: string };
	assert.equal(misused.code, 2);
	assert.match(misused.stderr, /^ruche-bullmq: --from: expected .*\nTry --help\.\n$/s);
});
