/** `/v1/queues/{queue}` and what follows. */
export function pathOf(place, rest = '') {
    return `/v1/queues/${encodeURIComponent(place.queue)}${rest}`;
}
