// Waiting in tests: gates, signals, a busy loop, whole lists.

/** A promise with its resolve at hand. */
export class Gate<T = void> {
	readonly passed: Promise<T>;
	open!: (value: T) => void;

	constructor() {
		this.passed = new Promise((resolve) => {
			this.open = resolve;
		});
	}
}

/** Rejects with the signal's reason when it fires. */
export function aborted(signal: AbortSignal): Promise<never> {
	return new Promise((_, reject) => {
		if (signal.aborted)
			reject(signal.reason as Error);
		signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
	});
}

/** Keeps the event loop busy: nothing else of this thread runs meanwhile. */
export function block(ms: number): void {
	Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** All rows of a list. */
export async function rows<T>(list: AsyncIterable<T>): Promise<T[]> {
	const all: T[] = [];
	for await (const row of list)
		all.push(row);
	return all;
}
