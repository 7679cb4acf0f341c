// make-oracle.mjs: asks npm's cron-parser when expressions fire, and prints what tests/cron/cron_oracle_test.c compares us with:
//
//     cd tests/cron && npm install && node make-oracle.mjs > oracle.txt
//
// The same version of cron-parser prints the same file (nothing is left to chance or to the clock). `./dev test --all` makes it anew
// and compares. The file:
//
//     = ZONE FROM               what follows is asked there, after this instant (milliseconds since 1970)
//     EXPRESSION|N N N N N      the next five instants: seconds after FROM, then seconds after one another; fewer: there are no more
//     EXPRESSION|…|SEED         with H
//     = refused                 what follows is refused by cron-parser
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { CronExpressionParser } from 'cron-parser';

const require = createRequire(import.meta.url);
const version = JSON.parse(readFileSync(require.resolve('cron-parser').replace(/dist.*/, 'package.json'))).version;

let state = 417; // of the dice; mulberry32
function below(n) {
	let t = (state = (state + 0x6d2b79f5) | 0);
	t = Math.imul(t ^ (t >>> 15), t | 1);
	t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
	return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4294967296) * n);
}
const between = (a, b) => a + below(b - a + 1);
const pick = (list) => list[below(list.length)];

// ---- expressions ----

// Read on a calendar: the fields, their words and how they join.
const written = `
* * * * *|*/5 * * * *|0 * * * *|0 0 * * *|0 0 1 * *|0 0 1 1 *|0 0 * * 0|30 4 * * *|5 4 * * SUN|15 14 1 * *|0 22 * * 1-5|23 0-23/2 * * *
0 0,12 1 */2 *|0 4 8-14 * *|0 0 1,15 * 3|0 9-17 * * MON-FRI|*/15 9-17 * * 1-5|0 */6 * * *|0 0 */3 * *|0 0 * */4 *|0 0 * * */2|0 0 * * 1/2
0 0 * * 0-7|0 0 * * 7|0 0 * * 5-7|0 0 * * 1-7|0 0 * * 0-6/3|0 0 * * */7|0 0 * * */6|0 0 * * 3/4|0 0 29 2 *|0 0 31 * *|0 0 30 * *|0 0 31 1,3,5 *
0 0 L * *|0 0 L 2 *|0 0 15,L * *|0 0 1-3,L * *|0 0 L * 1|0 0 L 1-6/2 *|30 23 L * *|0 0 * * 5L|0 0 * * 0L|0 0 * * 7L|0 0 * * 1L,3L|0 0 * * 1,5L
0 0 * * MONL|0 0 * * friL|0 0 13 * 5L|0 0 L * 5L|0 0 * * 1#1|0 0 * * 5#3|0 0 * * MON#5|0 0 * * sun#2|0 0 * * 7#4|0 0 13 * 5#2|0 0 * * *#2|0 0 * * ?#5
0 0 * 2 1#5|0 0 * JAN 4#1|0 0 ? * 1|0 0 1 * ?|? ? ? ? ?|0 0 ? * ?|0 0 1 ? *|0 ? * * *|?/10 * * * *|0 0 * jan,JUL,Oct *|0 0 * MAR-May *|0 0 * feb/3 *
0 0 * * mon,WED,Fri|0 0 * * TUE-SAT/2|0 0 13 * 5|0 0 1 * 1|0 0 */2 * 1|0 0 */1 * 1|0 0 * * */1|0 0 1-31 * 3|0 0 31 4 1|0 0 30 2 1|0 0 1-7 * MON
0 0 */31 * *|*/100 * * * *|*/59 * * * *|59/7 * * * *|0 23/5 * * *|0 0 31/2 * *|0 0 * 12/9 *|00 07 08 09 *|0 5,3,1 * * *|10-20/3,50-59/4,5 * * * *
* * * * * *|*/10 * * * * *|0 0 0 * * *|30 15 10 * * *|0,30 * * * * *|5-10 */7 3 * * *|59 59 23 31 12 *|1/13 2/17 3/5 * * *|0 30 2 * * *|15 30 2 L * 2
0 0 0 1 1 *|? * * * * *|0 0 12 * * 1#1|0 0 0 29 2 *|0-59/20 0-59/30 0-23/12 * * *|7 7 7 7 7 *|7 7 7 7 7 7|45 */45 */5 */11 */5 *
@yearly|@annually|@monthly|@weekly|@daily|@hourly|@minutely|@secondly|@weekdays|@weekends
`.trim().split(/[|\n]/);

// About clocks that are put forward and back.
const clocks = `
30 2 * * *|0 2 * * *|0 3 * * *|15,45 2 * * *|*/10 2 * * *|30 1 * * *|0 1 * * *|45 1 * * *|30 * * * *|*/30 * * * *|0 */2 * * *|30 1-3 * * *|0 1,2,3 * * *
0 0 * * *|30 0 * * *|0 23 * * *|30 23 * * *|59 23 * * *|0 0 1 * *|30 2 * * 0|30 2 30 3 *|0 12 * * *|0 0 2 * * *|59 59 1 * * *|0 0-23 * * *|30 */3 * * 0
`.trim().split(/[|\n]/);

const hashed = `
H * * * *|H H * * *|H H H * *|H H * * H|H H H H *|H H H H H H|H/15 * * * *|H/7 H/5 * * *|H(0-29)/10 * * * *|0 H(9-17) * * 1-5|0 H(8-19)/3 * * *
0 0 H(1-28) * *|0 0 H/10 * *|0 0 H/40 * *|0 0 * H/4 *|0 0 * H(3-9)/2 *|0 0 * * H(1-5)|0 0 * * H/2|0 0 * * H/3|H,30 * * * *|H H(0-7) * * H(MON-FRI)|0 0 * * H#2
H(5-8)/60 * * * *|H H(0-3),H(20-23) * * *|H(7-7) * * * *
`.trim().split(/[|\n]/);
const seeds = ['a', 'sheet-417', 'notify:partner', 'x'.repeat(100)];

const refused = `
60 * * * *|* 24 * * *|* * 0 * *|* * 32 * *|* * * 0 *|* * * 13 *|* * * * 8|60 * * * * *|-1 * * * *|5-1 * * * *|* 20-8 * * *|* * * * FRI-SUN|* * * DEC-JAN *
*/0 * * * *|*/-5 * * * *|*/ * * * *|/5 * * * *|*/5/5 * * * *|1,,2 * * * *|,1 * * * *|1, * * * *|1-2-3 * * * *|5- * * * *|-5 * * * *|*5 * * * *|5* * * * *|*-5 * * * *
1.5 * * * *|a * * * *|MON * * * *|* * * * TAG|* * * JANUARY *|* * JAN * *|* L * * *|L * * * *|* * L-3 * *|* * L/2 * *|* * 5L * *|* * * L *|* * * * L|* * * * L,5
* * * * 1-5L|* * * * 1L/2|* * * * 8L|* * * * 1#0|* * * * 1#6|* * * * 1#|* * * * #1|* * * * 1-5#2|* * * * 1#2/2|* * * * 1#1#1|* * 1#2 * *|* * * 1#2 *
* * * * * * *|0 0 30 2 *|0 0 31 4 *|0 0 31 2,4,6,9,11 *|0 0 31 2 ?|H(9-5) * * * *|H/0 * * * *|H( * * * *|H(1) * * * *|H(61-70) * * * *|@reboot|@ daily
5H * * * *|0 0 * * 1##2|1;2 * * * *|& * * * *|* * * * 1#x|0 0 0 * *|0 0 * * -1
`.trim().split(/[|\n]/);

// Where the two of us differ: what only cron-parser reads, and what only we read. The test has the reasons.
const onlyTheirs = ['* * * *', '5', '* * * * 1#2.5', 'H(0-70) * * * *', '1-H * * * *'];
const onlyOurs = `
1,1 * * * *|1-5,3 * * * *|*,5 * * * *|0 0 * * 0,7|H,H * * * *|0 0 LW * *|0 0 15W * *|0 0 l * *|h * * * *|0 0 * * 5l
@midnight|@DAILY| @daily|0 0 * * 1#1,5#2|0 0 * * 1#1,3
`.trim().split(/[|\n]/);

function part(min, max, words) {
	const word = (n) => (words && below(3) === 0 ? words[n % words.length] : String(n));
	const from = between(min, max);
	switch (below(6)) {
	case 0: return `${word(from)}-${word(between(from, max))}`;
	case 1: return `${from}-${between(from, max)}/${between(1, 9)}`;
	case 2: return `${from}/${between(1, max)}`;
	case 3: return `*/${between(1, max + 2)}`;
	default: return word(from);
	}
}

function field(min, max, any, words) {
	if (below(8) < any)
		return '*';
	const parts = [part(min, max, words)];
	while (below(3) === 0)
		parts.push(part(min, max, words));
	return parts.join(',');
}

const months = ['', 'JAN', 'feb', 'Mar', 'APR', 'may', 'JUN', 'jul', 'AUG', 'sep', 'OCT', 'nov', 'DEC'];
const weekdays = ['SUN', 'mon', 'Tue', 'WED', 'thu', 'FRI', 'sat'];
function drawn() {
	const weekday = pick([() => '*', () => '*', () => field(0, 7, 0), () => part(0, 6, weekdays), () => `${between(0, 7)}L`, () => `${between(0, 7)}#${between(1, 5)}`])();
	const day = pick([() => '*', () => '*', () => field(1, 31, 2), () => 'L', () => `${between(1, 28)},L`])();
	const fields = [field(0, 59, 1), field(0, 23, 3), day, field(1, 12, 6, below(2) ? months.slice(0) : null), weekday];
	return (below(3) === 0 ? [field(0, 59, 1)] : []).concat(fields).join(' ');
}

// ---- asking ----

const plain = [ // zone and instants where cron-parser's own rules hold: whole hours, away from midnight
	['UTC', '2025-01-01T00:00:00Z', '2024-02-28T23:59:30.500Z', '2025-12-31T23:59:59Z', '2099-12-31T12:00:00Z'],
	['Europe/Paris', '2025-03-29T12:00:00Z', '2025-03-30T00:59:30Z', '2025-10-25T12:00:00Z', '2025-10-26T00:29:59.999Z'],
	['America/New_York', '2025-03-08T12:00:00Z', '2025-03-09T06:45:00Z', '2025-11-01T12:00:00Z', '2025-11-02T05:15:00Z'],
	['Australia/Lord_Howe', '2025-01-31T12:00:00Z', '2025-06-30T13:59:59Z'],
	['Asia/Kathmandu', '2025-06-30T18:00:00Z', '2024-02-28T18:15:00Z'],
	['America/St_Johns', '2025-03-08T12:00:00Z', '2025-11-01T12:00:00Z'],
	['Europe/Dublin', '2025-03-29T12:00:00Z', '2025-10-25T12:00:00Z'],
	['Australia/Sydney', '2025-04-05T10:00:00Z', '2025-10-04T10:00:00Z'],
	['Pacific/Kiritimati', '2025-12-30T12:00:00Z'],
];
const odd = [ // half hours, midnights, a whole day
	['Australia/Lord_Howe', '2025-04-05T12:00:00Z', '2025-10-04T12:00:00Z'],
	['Africa/Cairo', '2025-04-24T12:00:00Z', '2025-10-30T12:00:00Z'],
	['America/Havana', '2025-03-08T12:00:00Z', '2025-11-01T12:00:00Z'],
	['America/Nuuk', '2025-03-29T12:00:00Z', '2025-10-25T12:00:00Z'],
	['Africa/Casablanca', '2025-02-22T12:00:00Z', '2025-04-05T12:00:00Z'],
	['Pacific/Apia', '2011-12-28T12:00:00Z'],
];
const contexts = (list) => list.flatMap(([zone, ...instants]) => instants.map((at) => ({ zone, at, lines: [] })));
const plainContexts = contexts(plain), oddContexts = contexts(odd);

function ask(expression, context, seed) {
	const cron = CronExpressionParser.parse(expression, { tz: context.zone, currentDate: new Date(context.at), hashSeed: seed });
	let before = new Date(context.at).getTime();
	const steps = cron.take(5).map((date) => {
		const step = Math.floor(date.getTime() / 1000) - Math.floor(before / 1000);
		before = date.getTime();
		return step;
	});
	if (context.zone === 'Europe/Dublin' && before > Date.UTC(2038))
		return; // GLib 2.74 misreads this zone's rule for the time after 2037
	context.lines.push([expression, steps.join(' '), ...(seed ? [seed] : [])].join('|'));
}

const expressions = new Set(written);
while (expressions.size < 620) {
	const expression = drawn();
	try {
		CronExpressionParser.parse(expression);
		expressions.add(expression);
	} catch {
		// repeated values, days that never come: the list of refusals has them
	}
}
[...expressions].forEach((expression, i) => {
	for (let n = 0; n < 4; n++)
		ask(expression, plainContexts[(i * 7 + n * 5) % plainContexts.length]);
});
for (const expression of clocks)
	for (const context of [...plainContexts, ...oddContexts])
		ask(expression, context);
hashed.forEach((expression, i) => seeds.forEach((seed, n) => ask(expression, plainContexts[(i + n * 3) % plainContexts.length], seed)));
for (const expression of onlyTheirs)
	ask(expression, plainContexts[0], expression.includes('H') ? 'a' : undefined);
for (const expression of [...refused, ...onlyOurs]) {
	let parsed = true;
	try {
		CronExpressionParser.parse(expression, { hashSeed: 'a' });
	} catch {
		parsed = false;
	}
	if (parsed)
		throw new Error(`cron-parser ${version} accepts "${expression}"`);
}

console.log(`# When cron-parser ${version} (npm) fires, for tests/cron/cron_oracle_test.c. Made by tests/cron/make-oracle.mjs, which says how and what`);
console.log('# the lines mean. Do not edit.');
for (const context of [...plainContexts, ...oddContexts]) {
	console.log(`= ${context.zone} ${new Date(context.at).getTime()}`);
	console.log(context.lines.join('\n'));
}
console.log('= refused');
console.log([...refused, ...onlyOurs].join('\n'));
