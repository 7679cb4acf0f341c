// What stands on the command line, and the help.
import { parseArgs } from 'node:util';

export const HELP = `Usage: npx @ruche/bullmq migrate --from redis://HOST:PORT (--queue NAME… | --all) [OPTION]…

Moves queues of BullMQ 5 or 6 from Redis to Ruche, with their jobs: those that wait, prioritized and delayed ones, parents with the children that
they wait for, repeatable jobs and job schedulers, and the newest that ended, with their results, errors, attempts and logs. Ids stay.

  --from URL             redis://[user:password@]host[:port][/db] or rediss://…
  --to URL               the daemon, as in connection: http://TOKEN@host:8420, unix:/path
                         (RUCHE_URL, RUCHE_TOKEN; else http://127.0.0.1:8420); the token needs enqueue, read and operate
  --queue NAME           which queue; may be given several times. Flows across queues: name all of them
  --all                  every queue under the prefix
  --prefix TEXT          BullMQ's prefix, and the namespace on Ruche (bull)
  --with-finished N      of those that completed, and of those that failed, the newest N each (1000); all, or 0 for none
  --finished-since WHEN  only those that ended since then: an instant (2026-11-01), or a span back from now (7d, 12h, 30m)
  --dry-run              reads everything, says what would be moved and what not, and changes nothing
  --wait                 while workers are attached or jobs are active, wait instead of refusing
  --remove               takes what was moved out of Redis, at the end; otherwise Redis is only read
  --again                moves what has come to Redis since a queue was moved
  --json                 the report as JSON, on standard output; nothing else is written
  --help

While it runs, the queues are paused on Ruche, and they go on as they were when all is there. Interrupted, it is started again: what is there is not
moved twice. Stop whoever adds to the queues in Redis first.

Exit status: 0 all was moved; 1 refused or broken off, with the reason; 2 the command line; 3 moved, but some was left in Redis, as the report says.
`;

export interface Arguments {
	readonly from: string;
	readonly to: string | undefined;
	readonly queues: readonly string[];
	readonly all: boolean;
	readonly prefix: string;
	readonly most: number;
	readonly since: number;
	readonly dryRun: boolean;
	readonly wait: boolean;
	readonly remove: boolean;
	readonly again: boolean;
	readonly json: boolean;
}

/** Says what is wrong with the command line, and how it is meant. */
export class Misused extends Error {}

/** 'help': it was asked for. */
export function readArguments(words: readonly string[]): Arguments | 'help' {
	const { values, positionals } = parsedWords(words);
	if (values.help || positionals[0] === 'help' || !words.length)
		return 'help';
	if (positionals[0] !== 'migrate' || positionals.length > 1)
		throw new Misused(`there is no command '${positionals.join(' ')}': migrate is the one`);
	if (!values.from || !/^rediss?:\/\//.test(values.from))
		throw new Misused("--from: expected redis://host:port or rediss://host:port, where BullMQ's queues are"
			+ `${values.from ? `; got '${values.from}'` : ''}`);
	if (!values.all === !values.queue?.length)
		throw new Misused('say which queues: --queue NAME, once for each, or --all');
	const colon = values.queue?.find((name) => name === '' || name.includes(':'));
	if (colon !== undefined)
		throw new Misused(`--queue: '${colon}' is no name of a queue; it is neither empty nor has it a colon (see --prefix)`);
	return {
		from: values.from, to: values.to, queues: [...new Set(values.queue ?? [])], all: values.all ?? false, prefix: values.prefix ?? 'bull',
		most: readMost(values['with-finished'], values['finished-since'] !== undefined), since: readSince(values['finished-since'], Date.now()),
		dryRun: values['dry-run'] ?? false, wait: values.wait ?? false, remove: values.remove ?? false, again: values.again ?? false,
		json: values.json ?? false,
	};
}

function parsedWords(words: readonly string[]) {
	const flag = { type: 'boolean' } as const, text = { type: 'string' } as const;
	try {
		return parseArgs({
			args: [...words], allowPositionals: true,
			options: {
				from: text, to: text, queue: { type: 'string', multiple: true }, all: flag, prefix: text, 'with-finished': text, 'finished-since': text,
				'dry-run': flag, wait: flag, remove: flag, again: flag, json: flag, help: { type: 'boolean', short: 'h' },
			},
		});
	} catch (error) {
		throw new Misused((error as Error).message);
	}
}

function readMost(text: string | undefined, since: boolean): number {
	if (text === undefined)
		return since ? Infinity : 1000;
	const most = text === 'all' ? Infinity : Number(text);
	if (text === '' || !(most >= 0) || (most !== Infinity && !Number.isInteger(most)))
		throw new Misused(`--with-finished: expected how many of each, 'all' or 0; got '${text}'`);
	return most;
}

const SPANS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

export function readSince(text: string | undefined, now: number): number {
	if (text === undefined)
		return -Infinity;
	const [, count, unit] = /^(\d+)([smhdw])$/.exec(text) ?? [];
	const at = count ? now - Number(count) * SPANS[unit!]! : Date.parse(text);
	if (Number.isNaN(at))
		throw new Misused(`--finished-since: expected an instant such as 2026-11-01T08:00:00Z, or a span such as 7d, 12h, 30m; got '${text}'`);
	return at;
}
