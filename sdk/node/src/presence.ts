// Tells the daemon who works, for people: `ruche workers`. No job depends on it, so nobody is told when it fails, and the next beat tries again.
import type { Connection } from './connection.js';
import { sendPatiently } from './patience.js';
import type { Request } from './sender.js';
import { clearTimer, setTimer } from './timers.js';
import type { WorkQueue } from './worker.js';

const TTL_MS = 60_000; // a worker that is not heard of for so long is gone
const ANSWER_MS = 500;

/** Who works for a queue; a worker for several is there once for each. */
export interface WorkerView {
	readonly id: string;
	readonly queue: string;
	readonly namespace: string;
	/** What jobs say of who runs them. */
	readonly name: string | null;
	/** `worker`; of BullMQ's programs also `events`. */
	readonly kind: string;
	readonly address: string;
	/** Since it told first, and last. */
	readonly ageMs: number;
	readonly silentMs: number;
	/** It is gone when it has been silent for so long. */
	readonly ttlMs: number;
}

/** @internal */
export class Presence {
	readonly #connection: Connection;
	readonly #name: string;
	readonly #queues: readonly WorkQueue[];
	#beat: NodeJS.Timeout | undefined;
	#left = false;
	#telling: Promise<void>;

	/** Tells it from now on: once for each queue. */
	constructor(connection: Connection, name: string, queues: readonly WorkQueue[]) {
		this.#connection = connection;
		this.#name = name;
		this.#queues = queues;
		this.#telling = this.#tell();
	}

	async #tell(): Promise<void> {
		await this.#each('PUT');
		if (!this.#left)
			this.#beat = setTimer(() => {
				this.#telling = this.#tell();
			}, TTL_MS / 3).unref();
	}

	async leave(): Promise<void> {
		this.#left = true;
		clearTimer(this.#beat);
		await this.#telling; // it must not come after
		await this.#each('DELETE');
	}

	async #each(method: 'PUT' | 'DELETE'): Promise<void> {
		const { transport, address } = this.#connection;
		await Promise.allSettled(this.#queues.map((queue, i) => {
			const path = `/v1/workers/${encodeURIComponent(i ? `${this.#name}.${i + 1}` : this.#name)}`;
			const body = method === 'PUT' ? { body: JSON.stringify({ ...queue, name: this.#name, ttl_ms: TTL_MS }) } : {};
			const request: Request = { method, path, timeoutMs: ANSWER_MS, connectMs: ANSWER_MS, ...body };
			return sendPatiently(transport, request, address.text, { ms: 0, pauseMs: 0 });
		}));
	}
}
