// SIGTERM and SIGINT close the workers of the process: first gently, a second time at once. Then the signal does what it would have done without us.

/** What a signal closes. @internal */
export interface Closable {
	close(options?: { deadlineMs?: number }): Promise<void>;
}

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;
const closables = new Set<Closable>();
let closing = false;

/** @internal */
export function closeOnSignals(closable: Closable): void {
	if (!closables.size)
		for (const signal of SIGNALS)
			process.on(signal, onSignal);
	closables.add(closable);
}

/** @internal */
export function closeNoMore(closable: Closable): void {
	if (!closables.delete(closable) || closables.size || closing)
		return;
	unhook();
}

function unhook(): void {
	for (const signal of SIGNALS)
		process.off(signal, onSignal);
}

function onSignal(signal: NodeJS.Signals): void {
	const all = [...closables];
	if (closing) {
		for (const closable of all)
			void closable.close({ deadlineMs: 0 });
		return;
	}
	closing = true;
	void Promise.allSettled(all.map((closable) => closable.close())).then(() => {
		closing = false;
		unhook();
		closables.clear();
		if (process.listenerCount(signal) === 0) // nobody else decides when the process ends
			process.kill(process.pid, signal);
	});
}
