#!/usr/bin/env node
// npx @ruche/bullmq migrate …: see migrate/arguments.ts for the help.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Redis as RedisClient, RedisOptions } from 'ioredis';
import { HELP, Misused, readArguments, type Arguments } from './migrate/arguments.js';
import { Migration, Refused } from './migrate/migration.js';
import { Progress } from './migrate/progress.js';
import { queueNames, RedisQueue } from './migrate/redis-queue.js';
import { reportText, skippedCount, type Report } from './migrate/report.js';
import { Target } from './migrate/target.js';

const CONNECT_MS = 5_000;

type RedisClass = new (url: string, options: RedisOptions) => RedisClient;

/** BullMQ's own client, from where the program is that used it. */
function ioredis(): RedisClass {
	for (const from of [join(process.cwd(), 'package.json'), import.meta.url])
		try {
			const require = createRequire(from);
			return (require('ioredis') as { Redis: RedisClass }).Redis;
		} catch {
			// not from there
		}
	throw new Refused('ioredis is not installed here: run this where your BullMQ program is, or say `npm install --no-save ioredis` first');
}

async function connected(url: string): Promise<RedisClient> {
	const redis = new (ioredis())(url, { lazyConnect: true, connectTimeout: CONNECT_MS, maxRetriesPerRequest: 1, retryStrategy: () => null });
	let why = '';
	redis.on('error', (error: Error) => {
		why = error.message;
	});
	try {
		await redis.connect();
		return redis;
	} catch (error) {
		redis.disconnect();
		throw new Refused(`cannot reach Redis at ${withoutPassword(url)}: ${why || (error as Error).message}`);
	}
}

function withoutPassword(url: string): string {
	return url.replace(/\/\/[^@/]*@/, '//');
}

async function chosen(redis: RedisClient, { queues, all, prefix }: Arguments): Promise<string[]> {
	const there = await queueNames(redis, prefix);
	const missing = queues.filter((name) => !there.includes(name));
	if (missing.length || !there.length)
		throw new Refused(`${missing.length ? `there is no queue '${missing.join("', '")}'` : 'there are no queues'} under the prefix '${prefix}'; `
			+ `${there.length ? `these are there: ${there.slice(0, 50).join(', ')}` : 'is --prefix right?'}. Nothing was changed.`);
	return all ? there : [...queues];
}

const NEVER_MOVED = 'events, metrics by the minute, the windows of rate limits, and deduplication keys of jobs that have ended stay '
	+ 'behind. Children of parents that wait stand behind the other jobs of their queue.';

async function migrate(args: Arguments): Promise<number> {
	const redis = await connected(args.from), target = new Target(args.to ?? {});
	const progress = new Progress(process.stderr, args.json);
	const report: Report = {
		from: withoutPassword(args.from), to: target.address, prefix: args.prefix, dry_run: args.dryRun, queues: [], notes: [NEVER_MOVED], seconds: 0,
	};
	const interrupted = (): void => {
		progress.say('interrupted: queues that are not whole stay paused on Ruche. Start the same again, and it moves the rest.');
		process.exit(1);
	};
	process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
	try {
		await target.ready();
		const queues = (await chosen(redis, args)).map((name) => new RedisQueue(redis, args.prefix, name));
		await new Migration(queues, target, { ...args, finished: { most: args.most, since: args.since } }, progress, report).run();
	} finally {
		target.close();
		redis.disconnect();
	}
	process.stdout.write(args.json ? `${JSON.stringify(report, null, 2)}\n` : reportText(report));
	return skippedCount(report) && !args.dryRun ? 3 : 0;
}

async function main(words: readonly string[]): Promise<number> {
	try {
		const args = readArguments(words);
		if (args !== 'help')
			return await migrate(args);
		process.stdout.write(HELP);
		return 0;
	} catch (error) {
		const misused = error instanceof Misused, refused = misused || error instanceof Refused;
		process.stderr.write(`ruche-bullmq: ${(error as Error).message}${misused ? "\nTry --help." : refused ? ''
			: '\nWhat was moved is there, and the queues are paused on Ruche until all is: start the same again.'}\n`);
		return misused ? 2 : 1;
	}
}

process.exitCode = await main(process.argv.slice(2));
