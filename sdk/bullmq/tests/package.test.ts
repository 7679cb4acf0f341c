// The package itself: what it needs, what it exports, its types, for both module systems and for the oldest bullmq that it goes with.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import * as esm from '@ruche/bullmq';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);
const tsc = join(root, 'node_modules/typescript/bin/tsc');

test('nothing is needed at run time but bullmq', () => {
	const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<string, object>;
	assert.equal(manifest['dependencies'], undefined);
	assert.deepEqual(manifest['peerDependencies'], { bullmq: '^6.0.0' });
	for (const name of readdirSync(join(root, 'dist/esm')).filter((file) => file.endsWith('.js')))
		for (const [, from] of readFileSync(join(root, 'dist/esm', name), 'utf8').matchAll(/^(?:import|export).* from '([^'.][^']*)'/gm))
			assert.match(from!, /^(node:.*|bullmq)$/, name);
	assert.doesNotMatch(readFileSync(join(root, 'package-lock.json'), 'utf8'), /"resolved": "(?!file:)/);
});

test('ESM and CommonJS export the same', () => {
	assert.deepEqual(Object.keys(require('@ruche/bullmq') as object).sort(), Object.keys(esm).sort());
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

const PROGRAM = `
import { Queue, QueueEvents, setDefaultBackendFactory, Worker } from 'bullmq';
import { createRucheBackend } from '@ruche/bullmq';
setDefaultBackendFactory(createRucheBackend);
const connection = { host: '127.0.0.1', port: 8420, password: 'token' };
export const parts = [new Queue('a', { connection }), new Worker('a', async () => 1, { connection }), new QueueEvents('a', { connection })];
`;
const TYPED = `
import { Queue } from 'bullmq';
import { createRucheBackend, type RucheBackend } from '@ruche/bullmq';
export const queue = new Queue('a', { connection: 'http://token@127.0.0.1:8420' }, createRucheBackend);
export const backend: RucheBackend = queue.getBackend();
`;

test('programs compile against the newest bullmq and the oldest', { timeout: 120_000 }, () => {
	for (const [bullmq, programs] of [['bullmq', [PROGRAM, TYPED]], ['bullmq-6.0', [PROGRAM]]] as const) {
		const directory = join(root, '.tests', `types-${bullmq}`);
		rmSync(directory, { recursive: true, force: true });
		mkdirSync(directory, { recursive: true });
		programs.forEach((program, i) => writeFileSync(join(directory, `program-${i}.ts`), program));
		writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify({
			extends: '../../tsconfig.base.json', include: ['*.ts'],
			compilerOptions: { module: 'NodeNext', moduleResolution: 'NodeNext', noEmit: true, paths: { bullmq: [`../../node_modules/${bullmq}/dist/esm/index.d.ts`] } },
		}));
		try {
			execFileSync(process.execPath, [tsc, '-p', directory], { encoding: 'utf8', stdio: 'pipe' });
		} catch (error) {
			assert.fail(`${bullmq}: ${(error as { stdout: string }).stdout}`);
		}
	}
});
