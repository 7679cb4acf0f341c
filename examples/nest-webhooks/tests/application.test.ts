// The application at work: the same story on Ruche, and with REDIS=1 on Redis, with this bullmq and with the one from before 6.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Application, BACKENDS, eventually } from './application';
import type { SentryEvent } from './fakes';

const WEBHOOKS = 'webhook-notifications', CRON = 'cron-jobs';
const TOWN = { name: 'Roubaix', kind: 'commune', insee: '59512' };

function sheet(id: number, more: object = {}): object {
	return { id, title: `Couvrir le lavoir ${id}`, owner: TOWN, ...more };
}

function about(events: readonly SentryEvent[], id: string): SentryEvent[] {
	return events.filter(({ tags }) => tags?.['job_id'] === id);
}

for (const on of BACKENDS)
	describe(`on ${on}`, { timeout: 120_000 }, () => {
		let app: Application, begunMs: number;
		before(async () => {
			begunMs = Date.now();
			app = await Application.start(on, { ENABLE_CRON_JOBS: '1', CRON_JOBS_FILTER: 'send-notifications', NOTIFY_PATTERN: '* * * * * *' });
		});
		after(() => app?.stop());

		test('a sheet is saved, and who wants to know is told', async () => {
			app.wanted({ ref: 'communs', format: 'communs', secret: 'COMMUNS_SECRET' }, { ref: 'archive' });
			const saved = sheet(417, { budget: '18450.75', startsAt: '2026-11-25 18:00:00+01', referents: ['Chloé', 'Éric'], plans: [{ id: 3, name: 'Climat' }], parentId: 12 });
			const [toCommuns, toArchive] = await app.save(saved);
			await app.parties.until(({ length }) => length === 2);
			const call = app.parties.all.find(({ party }) => party === 'communs')!;
			assert.equal(call.key, toCommuns);
			assert.equal(call.authorization, 'Bearer bearer-of-news');
			assert.deepEqual(call.body, {
				externalId: '417', nom: 'Couvrir le lavoir 417', collectivite: { type: 'commune', code: '59512' }, budgetPrevisionnel: 18450.75,
				dateDebut: '2026-11-25T17:00:00.000Z', phase: 'Opération', porteur: 'Chloé', plans: [{ externalId: '3', nom: 'Climat' }], parentExternalId: '12',
			});
			assert.deepEqual(app.parties.all.find(({ party }) => party === 'archive')!.body, saved);
			assert.deepEqual((await app.ended(WEBHOOKS, toArchive!)).returnValue, { outcome: 'told', externalId: `archive-${toArchive}` });
		});

		test('what a format has nothing to send of is filtered: seen on the board, nobody is called', async () => {
			app.wanted({ ref: 'communs', format: 'communs', secret: 'COMMUNS_SECRET' });
			const ids = await app.save(sheet(1, { restricted: true }), sheet(2, { owner: { name: 'Nord', kind: 'epci', nature: 'PETR', siren: '2' } }));
			const calls = app.parties.all.length;
			for (const id of ids)
				assert.deepEqual((await app.ended(WEBHOOKS, id)).returnValue, { outcome: 'filtered' });
			assert.equal(app.parties.all.length, calls);
		});

		test('who fails is tried to the end, delays nobody, and is told to Sentry once; retry on the board sends the same message', async () => {
			app.parties.status['down'] = 503;
			app.wanted({ ref: 'down' }, { ref: 'archive' });
			const [id, other] = await app.save(sheet(500));
			await app.sentry.until((events) => about(events, id!).length > 0);
			assert.deepEqual(app.parties.all.filter(({ key }) => key === id).map(({ status }) => status), [503, 503, 503]);
			assert.equal((await app.ended(WEBHOOKS, other!)).state, 'completed');
			const failed = await app.ended(WEBHOOKS, id!);
			assert.deepEqual([failed.state, failed.attempts, failed.failedReason], ['failed', 3, 'down answered 503: {"sorry":503}']);
			const [event] = about(app.sentry.all, id!);
			assert.deepEqual(event!.tags, { queue: WEBHOOKS, job_name: 'sheet', job_id: id, attempts_made: 3, attempts: 3 });
			assert.deepEqual(event!.exception!.values.map(({ type, value }) => [type, value]),
				[['Error', 'down answered 503: {"sorry":503}'], ['JobFailed', `${WEBHOOKS}: sheet failed for good`]]);

			delete app.parties.status['down'];
			await app.board(`/queues/${WEBHOOKS}/${id}/retry`, 'PUT');
			await app.parties.until((calls) => calls.some(({ key, status }) => key === id && status === 200));
			await eventually(() => app.job(WEBHOOKS, id!), ({ state }) => state === 'completed');
			assert.equal(about(app.sentry.all, id!).length, 1);
		});

		test('who wants no more is tried once', async () => {
			app.parties.status['gone'] = 410;
			app.wanted({ ref: 'gone' });
			const [id] = await app.save(sheet(600));
			await app.sentry.until((events) => about(events, id!).length > 0);
			const failed = await app.ended(WEBHOOKS, id!);
			assert.deepEqual([failed.state, failed.attempts], ['failed', 1]);
			assert.equal(about(app.sentry.all, id!)[0]!.exception!.values[0]!.type, 'UnrecoverableError');
		});

		test('a plan is imported: 209 sheets for two, in one request', async () => {
			app.wanted({ ref: 'one' }, { ref: 'two' });
			const ids = await app.save(...Array.from({ length: 209 }, (_, i) => sheet(1000 + i)));
			assert.equal(new Set(ids).size, 418);
			await app.parties.until((calls) => calls.filter(({ party }) => party === 'one' || party === 'two').length === 418);
			await eventually(() => app.counts(WEBHOOKS), ({ active, waiting }) => active === 0 && waiting === 0);
		});

		test('the clock adds one job a minute, however often it ticks', async () => {
			const { jobs } = await eventually(() => app.list(CRON, 'completed'), ({ jobs }) => jobs.length > 0);
			const turned = Math.floor(Date.now() / 60_000) - Math.floor(begunMs / 60_000);
			assert.ok(jobs.length <= 1 + turned, `${jobs.length} while the minute turned ${turned} times`);
			assert.match(jobs[0]!.id, /^send-notifications-\d{4}-\d\d-\d\dT\d\dh\d\d$/);
			assert.equal(jobs[0]!.returnValue, 'send-notifications done');
		});

		test('the board asks for its password', async () => {
			assert.equal((await fetch(app.boardUrl)).status, 401);
			assert.equal((await fetch(app.boardUrl, { headers: { authorization: Application.authorization } })).status, 200);
		});

		test('both halves end when asked, and nothing went unheard', async () => {
			assert.deepEqual(await app.stop(), ['SIGTERM', 'SIGTERM']);
			assert.equal(app.sentry.all.length, 2);
			assert.doesNotMatch(app.api.said + app.tools.said, /[Uu]nhandled|TypeError|ReferenceError/);
		});
	});
