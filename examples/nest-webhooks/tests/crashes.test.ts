// kill -9 of the daemon and of the workers, in turn, while sheets are saved: no message is lost, workers go on by themselves, nothing is left unhandled.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Application, eventually } from './application';

const IMPORTS = 60, SHEETS = 10, AHEAD = 100;
const VICTIMS = ['tools', 'daemon', 'tools', 'daemon', 'daemon'] as const;

test('what was acknowledged is delivered, whoever is killed', { timeout: 180_000 }, async (t) => {
	const app = await Application.start('ruche', { LOCK_MS: '2000' });
	t.after(() => app.stop());
	app.wanted({ ref: 'archive' });
	const told = (count: number): Promise<void> => app.parties.until((calls) => new Set(calls.map(({ key }) => key)).size >= count);

	const saved: string[] = [];
	const saving = (async () => {
		for (let i = 0; i < IMPORTS; i++) {
			saved.push(...await app.save(...Array.from({ length: SHEETS }, (_, j) => ({ id: i * SHEETS + j, owner: { name: 'Roubaix', kind: 'commune' } }))));
			await told(saved.length - AHEAD);
		}
	})();
	for (const [i, victim] of VICTIMS.entries()) {
		await Promise.race([told((i + 1) * 80), saving.then(() => assert.fail('all was saved before everybody was killed'))]);
		await app[victim].kill();
		await app[victim].start();
	}
	await saving;

	assert.equal(new Set(saved).size, IMPORTS * SHEETS);
	await told(saved.length);
	assert.deepEqual(new Set(app.parties.all.map(({ key }) => key)), new Set(saved));
	const counts = await eventually(() => app.counts('webhook-notifications'), ({ active, waiting, delayed }) => active === 0 && waiting === 0 && delayed === 0);
	assert.deepEqual([counts['completed'], counts['failed']], [saved.length, 0]);
	assert.deepEqual(await app.stop(), ['SIGTERM', 'SIGTERM']);
	assert.deepEqual(app.sentry.all, []);
	assert.doesNotMatch(app.api.said + app.tools.said, /[Uu]nhandled|TypeError|ReferenceError/);
});
