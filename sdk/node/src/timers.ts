// The timers of the moment this package is loaded: programs that fake them later must not stop what goes on with the daemon.

export const setTimer = globalThis.setTimeout;
export const clearTimer = globalThis.clearTimeout;
export const nextTurn = globalThis.setImmediate;
export const clock = globalThis.performance.now.bind(globalThis.performance);

/** Resolves after `ms`, or at once when the signal fires (never rejects: look at the signal). */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
	return new Promise((resolve) => {
		if (signal?.aborted) {
			resolve();
			return;
		}
		const done = (): void => {
			clearTimer(timer);
			signal?.removeEventListener('abort', done);
			resolve();
		};
		const timer = setTimer(done, ms);
		signal?.addEventListener('abort', done, { once: true });
	});
}
