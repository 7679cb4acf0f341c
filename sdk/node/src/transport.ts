// Requests of the main thread: the connections of one client, with promises and signals.
import * as net from 'node:net';
import * as tls from 'node:tls';
import type { Address } from './address.js';
import { httpLines, type Lines } from './http-lines.js';
import { Broken, words, type Answer, type Request, type Sender } from './sender.js';
import { clearTimer, clock, setTimer } from './timers.js';

/** @internal */
export class Transport implements Sender {
	readonly #lines: Lines;

	constructor(address: Address, headers: Record<string, string>) {
		this.#lines = httpLines(net, tls, { set: setTimer, clear: clearTimer, clock }, { ...address, headers });
	}

	/** Sends once. Rejects with Broken, or with the signal's reason. */
	send(request: Request): Promise<Answer> {
		return new Promise((resolve, reject) => {
			const { signal } = request;
			if (signal?.aborted) {
				reject(signal.reason as Error);
				return;
			}
			const left = (): void => {
				giveUp(request.gently);
				if (request.gently)
					return;
				reject(signal!.reason as Error);
			};
			const giveUp = this.#lines.send(request, (outcome) => {
				signal?.removeEventListener('abort', left);
				if ('text' in outcome)
					resolve(outcome);
				else
					reject(new Broken(outcome.how, words(outcome)));
			});
			signal?.addEventListener('abort', left, { once: true });
		});
	}

	/** Closes idle connections and cuts those in use. */
	close(): void {
		this.#lines.close();
	}
}
