// A stream that the daemon keeps open (server-sent events), on a connection of its own.
import * as http from 'node:http';
import * as https from 'node:https';
import type { Address } from './address.js';
import { Broken, words } from './sender.js';
import { clearTimer, setTimer } from './timers.js';

/** @internal */
export interface Stream {
	readonly status: number;
	readonly body: http.IncomingMessage;
}

/** The streams of one client. @internal */
export class Streams {
	readonly #address: Address;
	readonly #headers: Record<string, string>;
	readonly #module: typeof http | typeof https;
	readonly #agent: http.Agent;

	constructor(address: Address, headers: Record<string, string>) {
		this.#address = address;
		this.#headers = headers;
		this.#module = address.secure ? https : http;
		this.#agent = new this.#module.Agent({ keepAlive: true });
	}

	/** Resolves with the head; the caller reads and destroys the body. Rejects with Broken, or with the signal's reason. */
	open(path: string, headTimeoutMs: number, signal: AbortSignal): Promise<Stream> {
		return new Promise((resolve, reject) => {
			const { hostname, port, socketPath, prefix } = this.#address;
			const outgoing = this.#module.request({
				method: 'GET', path: prefix + path, headers: this.#headers, agent: this.#agent, signal, ...(socketPath ? { socketPath } : { hostname, port }),
			});
			const late = setTimer(() => {
				reject(new Broken('late', `no answer within ${headTimeoutMs} ms`));
				outgoing.destroy();
			}, headTimeoutMs);
			outgoing.on('response', (body) => {
				clearTimer(late);
				resolve({ status: body.statusCode ?? 0, body });
			});
			outgoing.on('error', (error) => reject(signal.aborted ? signal.reason as Error : new Broken('refused', words(error), error)));
			outgoing.on('close', () => {
				clearTimer(late);
				reject(new Broken('refused', 'the connection was cut'));
			});
			outgoing.end();
		});
	}

	/** Cuts them. */
	close(): void {
		this.#agent.destroy();
	}
}
