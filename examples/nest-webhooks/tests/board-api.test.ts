// What else bull-board can do with a queue, by its own API: each answer on Ruche is the answer on Redis.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Application, WITH_REDIS, type BackendName } from './application';

const CRON = 'cron-jobs', LIST = `/queues?activeQueue=${CRON}&page=1&jobsPerPage=10&status`;
const job = { name: 'connect-synchro', data: { since: '2026-11-25' }, options: {} };

/** In this order; each with what it sends. */
const TOUR: readonly (readonly [string, string, object?])[] = [
	['PUT', `/queues/${CRON}/pause`],
	['POST', `/queues/${CRON}/add`, { ...job, options: { priority: 3, attempts: 2 } }],
	['POST', `/queues/${CRON}/add`, job],
	['POST', `/queues/${CRON}/add`, { ...job, options: { delay: 3_600_000 } }],
	['POST', `/queues/${CRON}/add`, { ...job, options: { priority: 1, jobId: 'mine' } }],
	['GET', `${LIST}=latest`],
	['GET', `${LIST}=waiting`],
	['GET', `${LIST}=prioritized`],
	['GET', `${LIST}=delayed`],
	['PATCH', `/queues/${CRON}/mine/update-data`, { jobData: { since: 'ever' } }],
	['PATCH', `/queues/${CRON}/mine/priority`, { priority: 7 }],
	['GET', `/queues/${CRON}/mine`],
	['GET', `/queues/${CRON}/mine/logs`],
	['PUT', `/queues/${CRON}/mine/retry`],
	['GET', `/queues/${CRON}/nobody`],
	['GET', `/queues/${CRON}/default-job-options`],
	['PUT', `/queues/${CRON}/concurrency`, { concurrency: 4 }],
	['PUT', `/queues/${CRON}/rate-limit`, { max: 5, duration: 1000 }],
	['GET', `/queues/${CRON}/rate-limit`],
	['GET', `${LIST}=latest`],
	['PUT', `/queues/${CRON}/rate-limit/release`],
	['PUT', `/queues/${CRON}/concurrency`, { concurrency: 0 }],
	['PUT', `/queues/${CRON}/promote`],
	['GET', `${LIST}=latest`],
	['PUT', `/queues/${CRON}/mine/clean`],
	['PUT', `/queues/${CRON}/empty`],
	['GET', `${LIST}=latest`],
	['POST', `/queues/${CRON}/add`, { ...job, options: { delay: 3_600_000, jobId: 'late' } }], // a custom id takes a number there, and none here
	['PUT', `/queues/${CRON}/obliterate`, {}],
	['GET', `${LIST}=latest`],
	['PUT', '/queues/pause'],
	['PUT', '/queues/resume'],
	['GET', `${LIST}=latest`],
	['GET', `/queues/${CRON}/metrics`],
];

async function tour(on: BackendName): Promise<unknown[]> {
	const app = await Application.start(on);
	try {
		const answers: unknown[] = [];
		for (const [method, path, body] of TOUR)
			answers.push([method, path, await app.boardAnswer(path, method, body)]);
		return answers;
	} finally {
		await app.stop();
	}
}

/** Without instants, which differ, and without `delay`, which jobs that were all promoted keep on Redis (the adapter's list of differences). */
function comparable(answers: unknown[]): unknown {
	return JSON.parse(JSON.stringify(answers, (key, value: unknown) => (/^(timestamp|prevTS|delay)$/.test(key) ? undefined : value)));
}

test('the board does the same to a queue on Ruche and on Redis', { timeout: 120_000, skip: !WITH_REDIS && 'REDIS is not 1' }, async () => {
	const ruche = await tour('ruche');
	assert.deepEqual(comparable(ruche), comparable(await tour('redis')));
});
