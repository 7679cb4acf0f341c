// The daemon writes snake_case, JavaScript camelCase. What belongs to the caller (payloads, results, headers, tags, …) is never touched.

/** Fields whose content is the caller's: kept as it is. */
const VERBATIM: ReadonlySet<string> = new Set(['payload', 'originalPayload', 'original_payload', 'result', 'value', 'progress', 'metadata', 'details', 'headers',
	'requestHeaders', 'request_headers', 'responseHeaders', 'response_headers', 'trace']);

/** Names that were converted before: there are some hundred. */
const snakes = new Map<string, string>(), camels = new Map<string, string>();
const KNOWN_MAX = 500;

/** A member of an object, to the daemon: `,"delay_ms":5`; nothing for what is undefined. @internal */
export function memberText(name: string, value: unknown): string {
	const text = JSON.stringify(VERBATIM.has(name) ? value : toWire(value)) as string | undefined;
	return text === undefined ? '' : `,${JSON.stringify(renamed(name, snakes, toSnake))}:${text}`;
}

/** To the daemon: `{ delayMs: 5 }` becomes `{ delay_ms: 5 }`; a Date becomes an instant. What is undefined is left out. @internal */
export function toWire(value: unknown): unknown {
	return convert(value, snakes, toSnake);
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
		out[renamed(name, known, rename)] = VERBATIM.has(name) ? member : convert(member, known, rename);
	}
	return out;
}

function toSnake(name: string): string {
	return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function renamed(name: string, known: Map<string, string>, rename: (name: string) => string): string {
	let other = known.get(name);
	if (other === undefined) {
		other = rename(name);
		if (known.size < KNOWN_MAX)
			known.set(name, other);
	}
	return other;
}
