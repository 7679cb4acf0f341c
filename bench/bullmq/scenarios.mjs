// What is measured, how many jobs of it on each side, and the floors: ratios to BullMQ on Redis without persistence and on PostgreSQL.

export const IN_FLIGHT = 50; // calls of `add` on their way, and the worker's concurrency
export const BULK = 1_000, BULKS_IN_FLIGHT = 4;
export const LATENCY_EVERY_MS = 10;

/** The sides, in the order of each round. */
export const SIDES = ['redis', 'postgres', 'ruche', 'sdk'];

/** Jobs so that a run takes some seconds on each side; PostgreSQL is slow where each call is a transaction. */
export const SCENARIOS = [
	{ name: 'add', unit: 'jobs/s', jobs: { redis: 60_000, postgres: 5_000, ruche: 80_000, sdk: 120_000 }, floors: { redis: 1.2, postgres: 15 } },
	{ name: 'addBulk', unit: 'jobs/s', jobs: { redis: 80_000, postgres: 60_000, ruche: 120_000, sdk: 200_000 }, floors: { redis: 1.5, postgres: 1.5 } },
	{ name: 'drain', unit: 'jobs/s', jobs: { redis: 40_000, postgres: 4_000, ruche: 50_000, sdk: 80_000 }, floors: { redis: 1.2, postgres: 10 } },
	{ name: 'together', unit: 'jobs/s', jobs: { redis: 30_000, postgres: 2_500, ruche: 30_000, sdk: 50_000 }, floors: { redis: 1.2, postgres: 15 } },
	{ name: 'latency', unit: 'ms', lowerIsBetter: true, jobs: { redis: 400, postgres: 400, ruche: 400, sdk: 400 }, floors: { redis: 1.2 } },
];
export const SDK_FLOOR = 1.5; // of the adapter's rate
