// The Idempotency-Key of a request that may be repeated. It begins with the time: the daemon keeps its records in the order of their keys, so the newest
// stand together, on a page that is in memory, however many there are.
import { randomUUID } from 'node:crypto';

/** @internal */
export function requestKey(): string {
	return `${Date.now().toString(36).padStart(9, '0')}-${randomUUID()}`;
}
