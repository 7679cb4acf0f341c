/** A queue: BullMQ's prefix is the namespace. */
export interface Place {
	readonly namespace: string;
	readonly queue: string;
}

/** `/v1/queues/{queue}` and what follows. */
export function pathOf(place: Place, rest = ''): string {
	return `/v1/queues/${encodeURIComponent(place.queue)}${rest}`;
}
