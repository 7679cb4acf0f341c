import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startRuche } from './world.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const run = promisify(execFile);

test('the snippets of the README compile, with the types as published, and run', { timeout: 120_000 }, async () => {
	const snippets = [...readFileSync(join(root, 'README.md'), 'utf8').matchAll(/```ts runnable\n(.*?)```/gs)].map(([, code]) => code!);
	assert.ok(snippets.length >= 2);
	const directory = join(root, '.tests', 'readme');
	rmSync(directory, { recursive: true, force: true });
	mkdirSync(directory);
	snippets.forEach((code, i) => writeFileSync(join(directory, `snippet-${i}.ts`), `${code}\nexport {};\n`));
	writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify({
		extends: '../../tsconfig.base.json', include: ['*.ts'],
		compilerOptions: { module: 'NodeNext', moduleResolution: 'NodeNext', declaration: false },
	}));
	await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', directory]).catch((error: { stdout: string }) => assert.fail(error.stdout));
	const server = await startRuche();
	const env: NodeJS.ProcessEnv = { ...process.env, RUCHE_URL: server.connection as string };
	const said = await Promise.all(snippets.map((_, i) => run(process.execPath, [join(directory, `snippet-${i}.js`)], { env })));
	assert.match(said[0]!.stdout, /^1: sent to a@b\.fr$/m);
	await server.stop();
});
