import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startRuche } from 'ruche/test';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const run = promisify(execFile);

test('the snippets of the README and the examples compile, with the types as published, and run', { timeout: 120_000 }, async () => {
	const snippets = [...readFileSync(join(root, 'README.md'), 'utf8').matchAll(/```ts runnable\n(.*?)```/gs)].map(([, code]) => code!);
	assert.ok(snippets.length >= 5);
	snippets.push(...readdirSync(join(root, 'examples')).map((name) => readFileSync(join(root, 'examples', name), 'utf8')));
	const directory = join(root, '.tests', 'readme');
	rmSync(directory, { recursive: true, force: true });
	mkdirSync(directory);
	snippets.forEach((code, i) => writeFileSync(join(directory, `snippet-${i}.ts`), `${code}\nexport {};\n`));
	writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify({
		extends: '../../tsconfig.base.json', include: ['.'],
		compilerOptions: { module: 'NodeNext', moduleResolution: 'NodeNext', declaration: false, skipLibCheck: false },
	}));
	await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', directory]);
	const server = await startRuche();
	const env: NodeJS.ProcessEnv = { ...process.env, RUCHE_URL: server.url };
	delete env['NODE_TEST_CONTEXT']; // one of them is a test of its own
	await Promise.all(snippets.map((_, i) => run(process.execPath, [join(directory, `snippet-${i}.js`)], { env })));
	await server.stop();
});
