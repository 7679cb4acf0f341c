// Spans of waiting that grow, and waits that end early.

/** Doubling waits from `firstMs` to `lastMs`, each less up to a quarter, so that many clients do not come back in step. @internal */
export class Backoff {
	#ms: number;
	constructor(readonly firstMs: number, readonly lastMs: number) {
		this.#ms = firstMs;
	}

	next(): number {
		const ms = this.#ms;
		this.#ms = Math.min(ms * 2, this.lastMs);
		return ms * (1 - Math.random() / 4);
	}

	reset(): void {
		this.#ms = this.firstMs;
	}
}

/** `promise`, unless `signal` fires first: then rejects with its reason. What was begun goes on. @internal */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
	if (!signal)
		return promise;
	return new Promise((resolve, reject) => {
		const abort = (): void => reject(signal.reason as Error);
		if (signal.aborted)
			abort();
		else
			signal.addEventListener('abort', abort, { once: true });
		promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
	});
}
