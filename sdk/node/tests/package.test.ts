import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import * as esm from 'ruche';
import { startRuche } from 'ruche/test';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);
const GZIP_MAX_BYTES = 30 * 1024;

/** The files that an entry loads, itself first, in either format. */
function loaded(entry: string, seen = new Set<string>()): Set<string> {
	if (seen.has(entry))
		return seen;
	seen.add(entry);
	for (const [, path] of readFileSync(entry, 'utf8').matchAll(/(?:from |import |require\()['"](\.[^'"]+)['"]/g))
		loaded(join(dirname(entry), path!), seen);
	return seen;
}

test('no dependencies at run time', () => {
	const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<string, object>;
	for (const kind of ['dependencies', 'peerDependencies', 'optionalDependencies', 'bundledDependencies'])
		assert.equal(manifest[kind], undefined);
	for (const file of loaded(join(root, 'dist/esm/test.js')))
		for (const [, name] of readFileSync(file, 'utf8').matchAll(/^(?:import|export).* from '([^'.][^']*)'/gm))
			assert.match(name!, /^node:/, file);
	assert.doesNotMatch(readFileSync(join(root, 'package-lock.json'), 'utf8'), /"resolved"/);
});

test('client and worker are at most 30 KB, gzipped', () => {
	for (const format of ['esm', 'cjs']) {
		const files = [...loaded(join(root, 'dist', format, 'index.js'))];
		assert.ok(files.length > 20);
		const bytes = gzipSync(Buffer.concat(files.map((file) => readFileSync(file)))).length;
		assert.ok(bytes <= GZIP_MAX_BYTES, `${format}: ${bytes} bytes`);
	}
});

test('ESM and CommonJS export the same, and know each other\'s errors', () => {
	const cjs = require('ruche') as typeof esm;
	assert.deepEqual(Object.keys(cjs).sort(), Object.keys(esm).sort());
	assert.notEqual(cjs.NonRetryableError, esm.NonRetryableError);
	const error = new cjs.NonRetryableError('x');
	assert.ok(error instanceof esm.NonRetryableError && error instanceof esm.RucheError && error instanceof Error);
	assert.ok(!(error instanceof esm.RetryAfterError) && !(new Error('x') instanceof esm.RucheError));
	class Own extends esm.NonRetryableError {}
	assert.ok(new Own('x') instanceof cjs.NonRetryableError && new Own('x') instanceof Own && !(new esm.NonRetryableError('x') instanceof Own));
	assert.equal((require('ruche/test') as object).constructor, Object);
});

test('CommonJS works: a client, a worker and an error of it', async () => {
	const cjs = require('ruche') as typeof esm;
	const server = await startRuche();
	const ruche = new cjs.Ruche({ url: server.url });
	const queue = ruche.queue<number, number>('cjs');
	const worker = ruche.worker(queue, ({ payload }) => {
		if (payload < 0)
			throw new esm.NonRetryableError('from the other copy');
		return payload * 2;
	});
	assert.equal(await (await queue.enqueue(21)).result(), 42);
	assert.equal((await server.ended(await queue.enqueue(-1))).outcome, 'final_error');
	await worker.close();
	await ruche.close();
	await server.stop();
});

test('the types are right for every way of importing', () => {
	const directory = mkdtempSync(join(tmpdir(), 'ruche-pack-'));
	const [{ filename, files }] = JSON.parse(execFileSync('npm', ['pack', '--json', '--pack-destination', directory], { cwd: root, encoding: 'utf8' })) as
		[{ filename: string; files: { path: string }[] }];
	assert.deepEqual(files.filter(({ path }) => !/^(dist\/(esm|cjs)\/|README\.md$|package\.json$)/.test(path)), []);
	execFileSync(process.execPath, [join(root, 'node_modules/@arethetypeswrong/cli/dist/index.js'), join(directory, filename), '--profile', 'node16', '--no-emoji', '--no-color'],
		{ cwd: directory, encoding: 'utf8', stdio: 'pipe' });
	rmSync(directory, { recursive: true });
});
