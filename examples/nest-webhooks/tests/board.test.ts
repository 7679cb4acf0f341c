// The official bull-board over Ruche, in a browser, through Nest and through Express; with REDIS=1 over Redis too: it must show and do the same.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { FlowProducer, Queue, type ConnectionOptions } from 'bullmq';
import { createRucheBackend } from '@ruche/bullmq';
import { Application, eventually, PASSWORD, WITH_REDIS } from './application';
import { BoardPage, BROWSER } from './page';
import { freePort, Program } from './processes';

const WEBHOOKS = 'webhook-notifications', CRON = 'cron-jobs';
const OWNER = { name: 'Roubaix', kind: 'commune', insee: '59512' };

async function startExpress(queueUrl: string): Promise<{ program: Program; url: string }> {
	const port = await freePort();
	const env = { QUEUE_URL: queueUrl, BOARD_PORT: String(port), BOARD_PASSWORD: PASSWORD };
	const program = new Program({ file: process.execPath, args: [join(__dirname, '../src/board.js')], env, says: /the board is at/ });
	return { program: await program.start(), url: `http://127.0.0.1:${port}/queues` };
}

for (const on of WITH_REDIS ? ['ruche', 'redis'] as const : ['ruche'] as const)
	for (const through of ['nest', 'express'] as const)
		describe(`bull-board on ${on}, through ${through}`, { timeout: 180_000, skip: !BROWSER && 'BROWSER names no Chromium' }, () => {
			let app: Application, board: BoardPage, express: Program | undefined, cron: Queue, flows: FlowProducer, told: string, failed: string;
			before(async () => {
				app = await Application.start(on);
				const backend = (on === 'ruche' ? createRucheBackend : undefined) as undefined; // for its types, as if it were BullMQ's own
				const connection: ConnectionOptions = { url: app.queueUrl };
				cron = new Queue(CRON, { connection }, backend);
				flows = new FlowProducer({ connection }, backend);
				let url = app.boardUrl;
				if (through === 'express')
					({ program: express, url } = await startExpress(app.queueUrl));
				board = await BoardPage.open(url, on === 'ruche' && through === 'nest' ? process.env['SCREENSHOTS'] : undefined);
				app.parties.status['down'] = 503;
				app.wanted({ ref: 'archive' }, { ref: 'down' });
				[told, failed] = await app.save({ id: 417, title: 'Couvrir le lavoir', owner: OWNER }) as [string, string];
				await app.sentry.until(({ length }) => length === 1);
				await app.ended(WEBHOOKS, told);
			});
			after(async () => {
				await board?.close();
				await Promise.all([flows?.close(), cron?.close(), express?.stop()]);
				await app?.stop();
			});

			test('the first page has the queues and their counts', async () => {
				await board.go('/');
				await board.shows(WEBHOOKS, CRON, '2 Jobs', '0 Jobs');
				await board.picture('queues');
			});

			test('a list has its jobs, with what they carry and came to', async () => {
				await board.go(`/queue/${WEBHOOKS}?status=completed`);
				await board.press(/^Throughput/); // folded away
				await board.shows(told, 'Couvrir le lavoir', 'told', `archive-${told}`, 'Finished at');
				await board.picture('list');
			});

			test('a job has its error, its options and a line of its log for each attempt', async () => {
				await board.go(`/queue/${WEBHOOKS}/${failed}`);
				await board.shows(failed, 'attempt #3', 'down answered 503', 'Failed at');
				await board.picture('job');
				await board.tab('Options');
				await board.shows('exponential');
				await board.tab('Logs');
				await board.shows('attempt 1: 503', 'attempt 2: 503', 'attempt 3: 503');
			});

			test('its queue has workers, and is running', async () => {
				await board.go(`/queue/${WEBHOOKS}`);
				await board.press('Queue info');
				await board.shows('Running', 'Connected workers', 'Total jobs');
			});

			test('throughput is counted by the minute', async () => {
				await board.go(`/queue/${WEBHOOKS}`);
				await board.press(/^Throughput/);
				await board.shows('Completed / min', 'Failed / min', 'Peak / min');
				await board.picture('metrics');
				await board.press(/^Throughput/); // folded away
			});

			test('retry sends the message again', async () => {
				delete app.parties.status['down'];
				await board.go(`/queue/${WEBHOOKS}/${failed}`);
				await board.act('Retry');
				await board.confirm();
				await app.parties.until((calls) => calls.some(({ key, status }) => key === failed && status === 200));
				await app.ended(WEBHOOKS, failed);
				await board.go(`/queue/${WEBHOOKS}/${failed}`);
				await board.shows(`down-${failed}`, 'Finished at');
			});

			test('promote starts a delayed job now', async () => {
				const { id } = await cron.add('calendly-synchro', {}, { delay: 3_600_000 });
				await board.go(`/queue/${CRON}/${id}`);
				await board.shows('Will run at');
				await board.picture('delayed');
				await board.act('Promote');
				await board.confirm();
				assert.equal((await app.ended(CRON, id!)).returnValue, 'calendly-synchro done');
			});

			test('clean takes one job away, retry all and clean all take them all', async () => {
				app.parties.status['down'] = 410;
				await app.save({ id: 418, owner: OWNER }, { id: 419, owner: OWNER }, { id: 420, owner: OWNER });
				await eventually(() => app.counts(WEBHOOKS), (counts) => counts['failed'] === 3);
				await board.go(`/queue/${WEBHOOKS}?status=failed`);
				await board.shows('it wants no more of these');
				await board.picture('failed');
				await board.act('Clean');
				await board.confirm();
				await eventually(() => app.counts(WEBHOOKS), (counts) => counts['failed'] === 2);
				const calls = app.parties.all.length;
				await board.press('Retry all');
				await board.confirm();
				await app.parties.until(({ length }) => length === calls + 2);
				const { jobs } = await eventually(() => app.list(WEBHOOKS, 'failed'), (list) => list.jobs.length === 2);
				const spared = Math.max(...jobs.map(({ finishedOn }) => finishedOn)) + 5000; // what ended in the last five seconds, it leaves alone
				await eventually(async () => Date.now(), (now) => now > spared);
				await board.press('Clean all');
				await board.confirm();
				await board.shows(/No failed jobs/i);
				assert.equal((await app.counts(WEBHOOKS))['failed'], 0);
			});

			test('a flow is a tree, with the state of each of its jobs', async () => {
				app.parties.status['down'] = 503;
				const child = (thirdParty: string): object => ({
					name: `tell ${thirdParty}`, queueName: WEBHOOKS, opts: { attempts: 1 }, data: { thirdParty, entityType: 'sheet', entityId: '420', payload: { id: 420 } },
				});
				const { job: { id } } = await flows.add({ name: 'connect-synchro', queueName: CRON, data: {}, children: [child('archive'), child('down')] as never });
				await eventually(() => app.counts(WEBHOOKS), (counts) => counts['failed'] === 1);
				await board.go(`/queue/${CRON}/${id}`);
				await board.shows('Job flow', 'tell archive', 'tell down', /^waiting-children$/i, /^completed$/i, /^failed$/i, '1 done', '1 unfinished');
				await board.picture('flow');
			});

			test('schedulers are listed, run now, and removed', async () => {
				await cron.upsertJobScheduler('nightly', { pattern: '0 3 * * *', tz: 'Europe/Paris' }, { name: 'crm-plans-sync', data: {} });
				await board.go('/job-schedulers');
				await board.shows('nightly', 'crm-plans-sync', '0 3 * * *', 'Europe/Paris');
				await board.picture('schedulers');
				const { completed } = await app.counts(CRON);
				await board.press('Run now');
				await board.confirm();
				await eventually(() => app.counts(CRON), (counts) => counts['completed'] === completed! + 1);
				await board.press('Remove scheduler');
				await board.confirm();
				await board.shows('No schedulers registered.');
				assert.equal(await cron.getJobSchedulersCount(), 0);
			});
		});
