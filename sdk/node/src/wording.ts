// The daemon writes snake_case, JavaScript camelCase. What belongs to the caller (payloads, results, headers, tags, …) is never touched.

/** Fields whose content is the caller's: kept as it is. */
const VERBATIM: ReadonlySet<string> = new Set(['payload', 'originalPayload', 'original_payload', 'result', 'value', 'progress', 'metadata', 'headers',
	'requestHeaders', 'request_headers', 'responseHeaders', 'response_headers', 'trace']);

/** Names that were converted before: there are some hundred. */
const snakes = new Map<string, string>(), camels = new Map<string, string>();
const KNOWN_MAX = 500;

/** To the daemon: `{ delayMs: 5 }` becomes `{ delay_ms: 5 }`; a Date becomes an instant. What is undefined is left out. @internal */
export function toWire(value: unknown): unknown {
	return convert(value, snakes, (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`));
}

/** From the daemon: `{ delay_ms: 5 }` becomes `{ delayMs: 5 }`. @internal */
export function fromWire<T>(value: unknown): T {
	return convert(value, camels, (name) => name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())) as T;
}

function convert(value: unknown, known: Map<string, string>, rename: (name: string) => string): unknown {
	if (Array.isArray(value))
		return value.map((item) => convert(item, known, rename));
	if (value instanceof Date)
		return value.toISOString();
	if (typeof value !== 'object' || value === null)
		return value;
	const out: Record<string, unknown> = {};
	for (const name of Object.keys(value)) {
		const member = (value as Record<string, unknown>)[name];
		if (member === undefined)
			continue;
		let renamed = known.get(name);
		if (renamed === undefined) {
			renamed = rename(name);
			if (known.size < KNOWN_MAX)
				known.set(name, renamed);
		}
		out[renamed] = VERBATIM.has(name) ? member : convert(member, known, rename);
	}
	return out;
}
