// What came of a move: for people and for programs.
import type { Counts } from './redis-queue.js';

const SHOWN = 20; // of one reason, in the text for people

export interface QueueReport {
	readonly queue: string;
	readonly found: Counts;
	readonly moved: Record<string, number>;
	/** They were on the daemon before: an earlier run moved them. */
	already: number;
	/** Not moved, by reason. */
	readonly skipped: Record<string, string[]>;
	/** Moved, but not as they were, by what is different. */
	readonly differences: Record<string, number>;
	/** Taken out of Redis. */
	removed: number;
	paused: boolean;
}

export interface Report {
	readonly from: string;
	readonly to: string;
	readonly prefix: string;
	readonly dry_run: boolean;
	readonly queues: QueueReport[];
	/** What never moves, and what could not be looked at. */
	readonly notes: string[];
	seconds: number;
}

export function queueReport(queue: string, found: Counts): QueueReport {
	return { queue, found, moved: {}, already: 0, skipped: {}, differences: {}, removed: 0, paused: false };
}

export function add(counts: Record<string, number>, what: string, more = 1): void {
	counts[what] = (counts[what] ?? 0) + more;
}

export function skip(report: QueueReport, id: string, reason: string): void {
	(report.skipped[reason] ??= []).push(id);
}

export function skippedCount(report: Report): number {
	return report.queues.flatMap(({ skipped }) => Object.values(skipped)).reduce((sum, ids) => sum + ids.length, 0);
}

export function countsText(counts: Readonly<Record<string, number>> | Counts): string {
	const some = Object.entries(counts).filter(([, count]) => count > 0).map(([what, count]) => `${count} ${what}`);
	return some.length ? some.join(', ') : 'nothing';
}

function shown(ids: readonly string[]): string {
	return `${ids.slice(0, SHOWN).join(', ')}${ids.length > SHOWN ? `, and ${ids.length - SHOWN} more` : ''}`;
}

export function reportText(report: Report): string {
	const lines: string[] = [];
	for (const queue of report.queues) {
		const verb = report.dry_run ? 'would move' : 'moved';
		lines.push(`${queue.queue}: ${verb} ${countsText(queue.moved)}${queue.paused ? '; it stays paused, as it was' : ''}`);
		if (queue.already)
			lines.push(`  there already: ${queue.already}`);
		if (queue.removed)
			lines.push(`  taken out of Redis: ${queue.removed}`);
		for (const [reason, ids] of Object.entries(queue.skipped))
			lines.push(`  left ${ids.length}: ${reason}`, `    ${shown(ids)}`);
		for (const [what, count] of Object.entries(queue.differences))
			lines.push(`  ${count}: ${what}`);
	}
	lines.push(...report.notes.map((note) => `Note: ${note}`));
	const left = skippedCount(report);
	lines.push(report.dry_run ? 'Nothing was changed: this was a dry run.'
		: `Done in ${report.seconds} s${left ? `; ${left} left in Redis, see above` : ''}.`);
	return `${lines.join('\n')}\n`;
}
