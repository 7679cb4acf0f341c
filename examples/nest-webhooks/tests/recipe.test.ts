// The way from bullmq 5 on Redis to Ruche, as the README tells it.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { Application, eventually, WITH_REDIS } from './application';
import { startRuche } from './processes';

const WEBHOOKS = 'webhook-notifications', HOUR_MS = '3600000';
const root = join(__dirname, '../..');

test('the sources fit bullmq 5.56 as well, but for the line that makes Ruche the backend', () => {
	const { stdout } = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.five.json', '--pretty', 'false'], { cwd: root, encoding: 'utf8' });
	const complaints = stdout.split('\n').filter((line) => line.includes('error'));
	assert.equal(complaints.length, 1, stdout);
	assert.match(complaints[0]!, /^src\/backend\.ts.*no exported member 'setDefaultBackendFactory'/);
});

test('messages that bullmq 5 left in Redis are moved, and go on here as the same ones', { timeout: 120_000, skip: !WITH_REDIS && 'REDIS is not 1' }, async (t) => {
	const old = await Application.start('redis with bullmq 5.56', { WEBHOOK_BACKOFF_MS: HOUR_MS });
	t.after(() => old.stop());
	old.parties.status['down'] = 503;
	old.wanted({ ref: 'archive' }, { ref: 'down' });
	const [told, late] = await old.save({ id: 417, owner: { name: 'Roubaix', kind: 'commune' } }) as [string, string];
	await old.ended(WEBHOOKS, told);
	await eventually(() => old.job(WEBHOOKS, late), ({ state }) => state === 'delayed');
	await Promise.all([old.api.stop(), old.tools.stop()]);

	const ruche = await startRuche();
	const moving = spawnSync(process.execPath, ['node_modules/@ruche/bullmq/dist/esm/cli.js', 'migrate', '--from', old.queueUrl, '--to', ruche.url, '--all'],
		{ cwd: root, encoding: 'utf8' });
	assert.equal(moving.status, 0, moving.stdout + moving.stderr);

	const app = await Application.start('ruche', { WEBHOOK_BACKOFF_MS: HOUR_MS }, ruche);
	t.after(() => app.stop());
	app.wanted({ ref: 'archive' }, { ref: 'down' });
	assert.deepEqual((await app.job(WEBHOOKS, told)).returnValue, { outcome: 'told', externalId: `archive-${told}` });
	const waiting = await app.job(WEBHOOKS, late);
	assert.deepEqual([waiting.state, waiting.attempts, waiting.failedReason], ['delayed', 1, 'down answered 503: {"sorry":503}']);
	await app.board(`/queues/${WEBHOOKS}/${late}/promote`, 'PUT');
	const done = await app.ended(WEBHOOKS, late);
	assert.deepEqual([done.state, done.attempts, done.returnValue], ['completed', 2, { outcome: 'told', externalId: `down-${late}` }]);
	assert.deepEqual(app.parties.all.map(({ party, key }) => [party, key]), [['down', late]]);
});
