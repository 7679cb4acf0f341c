// build.mjs: compiles src/ twice, into dist/esm and dist/cjs, each with its own types. With --tests: tests/ into .tests/ as well, against what was built.
// With --shared: only fetches the sources that sdk/node has too; the package needs nothing of it at run time. The tests' proxy is sdk/node's as well.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';

process.chdir(import.meta.dirname ?? new URL('.', import.meta.url).pathname);

function tsc(project, ...options) {
	const { status } = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', project, ...options], { stdio: 'inherit' });
	if (status !== 0)
		process.exit(1);
}

for (const name of ['address.ts', 'http-lines.ts', 'request-key.ts', 'sender.ts', 'timers.ts', 'transport.ts'])
	copyFileSync(`../node/src/${name}`, `src/${name}`);
copyFileSync('../node/tests/proxy.ts', 'tests/proxy.ts'); // the check of types wants it too
if (process.argv.includes('--shared'))
	process.exit();
rmSync('dist', { recursive: true, force: true });
for (const project of ['tsconfig.esm.json', 'tsconfig.cjs.json']) { // comments are for the types: editors show them
	tsc(project, '--removeComments', '--declaration', 'false');
	tsc(project, '--emitDeclarationOnly');
}
mkdirSync('dist/cjs', { recursive: true });
writeFileSync('dist/cjs/package.json', '{ "type": "commonjs" }\n');
if (process.argv.includes('--tests')) {
	rmSync('.tests', { recursive: true, force: true });
	tsc('tsconfig.tests.json');
}
