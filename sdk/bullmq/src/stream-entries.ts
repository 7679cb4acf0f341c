// A queue's native events as the entries of BullMQ's event stream: [id, [field, value, …]]. One line becomes one entry or two.
import type { WireEvent } from './wire.js';

export type Entry = [id: string, fields: string[]];
type Fields = Record<string, string | number | undefined>;

/** Between the place that an entry follows and how many entries after it: of the first of two. */
const INSIDE = '+';

/** `previous`: the cursor before this line, to resume between its entries. */
export function entriesOf(event: WireEvent, previous: string | undefined): Entry[] {
	const told = tell(event);
	return told.map((fields, i) => {
		const last = i === told.length - 1;
		const id = last || previous === undefined ? event.id : `${previous}${INSIDE}${i + 1}`;
		return [id, flat(fields)];
	});
}

/** Where to go on reading after the entry with this id, and how many entries there to pass over. */
export function placeOf(id: string): { after: string; skip: number } {
	const [after = '', inside] = id.split(INSIDE);
	if (inside !== undefined)
		return { after, skip: Number(inside) || 0 };
	return { after: /^0\.\d/.test(after) ? after : '0.0', skip: 0 }; // `0`, `0-0`: all that are kept
}

function flat(fields: Fields): string[] {
	const list: string[] = [];
	for (const [name, value] of Object.entries(fields))
		if (value !== undefined)
			list.push(name, String(value));
	return list;
}

const PREVIOUS: Readonly<Record<string, string>> = {
	waiting_children: 'waiting-children', delayed: 'delayed', active: 'active', failed: 'failed', completed: 'completed', waiting: 'waiting',
};

function stateBefore(event: WireEvent, usual: string): string {
	return PREVIOUS[String(event['from'])] ?? usual;
}

function due(event: WireEvent): number {
	return Date.parse(String(event['due_at'] ?? event['retry_at'] ?? event.at));
}

/** What becomes of a job that is put back: it waits, or it is delayed. */
function putBack(event: WireEvent, jobId: string): Fields {
	return event['due_at'] || event['retry_at'] ? { event: 'delayed', jobId, delay: due(event) } : { event: 'waiting', jobId, prev: 'active' };
}

function arrived(event: WireEvent, jobId: string): Fields[] {
	const added: Fields = { event: 'added', jobId, name: String(event['name'] ?? '') };
	switch (event['state']) {
	case 'delayed': return [added, { event: 'delayed', jobId, delay: due(event) }];
	case 'waiting_children': return [added, { event: 'waiting-children', jobId }];
	default: return [added, { event: 'waiting', jobId }];
	}
}

function failed(event: WireEvent, jobId: string): Fields[] {
	const { message } = (event['error'] ?? {}) as { message?: string };
	const made = Number(event['attempts_made'] ?? 0), max = Number(event['max_attempts'] ?? 0);
	const told: Fields[] = [{ event: 'failed', jobId, failedReason: message ?? '', prev: 'active' }];
	if (made && made >= max)
		told.push({ event: 'retries-exhausted', jobId, attemptsMade: made });
	return told;
}

function custom(event: WireEvent): Fields[] {
	const details = (event['details'] ?? {}) as Fields;
	return [{ event: String(event['event'] ?? 'custom'), ...details }];
}

function tell(event: WireEvent): Fields[] {
	const jobId = String(event['job_id'] ?? event.uid ?? '');
	switch (event.type) {
	case 'enqueued': return arrived(event, jobId);
	case 'waiting': return [event['due_at'] ? putBack(event, jobId) : { event: 'waiting', jobId, prev: stateBefore(event, 'delayed') }];
	case 'promoted': return [{ event: 'waiting', jobId, prev: 'delayed' }];
	case 'released': return [{ event: 'waiting', jobId, prev: 'active' }];
	case 'retried': return [{ event: 'waiting', jobId, prev: stateBefore(event, 'failed') }];
	case 'active': return [{ event: 'active', jobId, prev: 'waiting' }];
	case 'completed': return [{ event: 'completed', jobId, returnvalue: JSON.stringify(event['result'] ?? null), prev: 'active' }];
	case 'progress': return [{ event: 'progress', jobId, data: JSON.stringify(event['progress'] ?? null) }];
	case 'deleted': return [{ event: 'removed', jobId, prev: stateBefore(event, 'waiting') }];
	case 'failed': case 'cancelled': case 'expired': return failed(event, jobId);
	case 'retrying': case 'snoozed': return [putBack(event, jobId)];
	case 'rescheduled': return [{ event: 'delayed', jobId, delay: due(event) }];
	case 'stalled': return [{ event: 'waiting', jobId, prev: 'active' }, { event: 'stalled', jobId }];
	case 'duplicate': return [{ event: 'duplicated', jobId }];
	case 'deduplicated':
		return [{ event: 'deduplicated', jobId, deduplicationId: String(event['key'] ?? ''), deduplicatedJobId: String(event['ignored'] ?? '') }];
	case 'drained': return [{ event: 'drained' }];
	case 'waiting_children': return [{ event: 'waiting-children', jobId, prev: 'active' }];
	case 'queue_paused': return [{ event: 'paused' }];
	case 'queue_resumed': return [{ event: 'resumed' }];
	case 'custom': return custom(event);
	default: return []; // what BullMQ has no event for
	}
}
