// What the README says of the way from bullmq 5: the same sources, but for one line.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';

test('the sources fit bullmq 5.56 as well, but for the line that makes Ruche the backend', () => {
	const root = join(__dirname, '../..');
	const { stdout } = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.five.json', '--pretty', 'false'], { cwd: root, encoding: 'utf8' });
	const complaints = stdout.split('\n').filter((line) => line.includes('error'));
	assert.equal(complaints.length, 1, stdout);
	assert.match(complaints[0]!, /^src\/backend\.ts.*no exported member 'setDefaultBackendFactory'/);
});
