// Who works: workers and event readers tell the daemon their names, for Queue.getWorkers.
import { randomUUID } from 'node:crypto';
import { TooOldError } from './errors.js';
import { queryText, type Link } from './link.js';
import type { Place } from './place.js';
import { clearTimer, setTimer } from './timers.js';

const TTL_MS = 60_000;

export class Registry {
	readonly #link: Link;
	readonly #place: Place;
	readonly #id = randomUUID();
	#beat: NodeJS.Timeout | undefined;
	#entered: Promise<void> | undefined;

	constructor(link: Link, place: Place) {
		this.#link = link;
		this.#place = place;
	}

	get #path(): string {
		return `/v1/workers/${this.#id}`;
	}

	/** Tells it, and again from time to time. Once. */
	enter(kind: 'worker' | 'events', name: string): Promise<void> {
		this.#entered ??= this.#tell(JSON.stringify({ ...this.#place, name, kind, ttl_ms: TTL_MS }));
		return this.#entered;
	}

	async #tell(body: string): Promise<void> {
		try {
			await this.#link.call('PUT', this.#path, { body });
		} catch (error) {
			if (!absent(error))
				throw error;
			return; // a daemon without a registry: whoever asks for the list is told
		}
		if (this.#link.closing || this.#link.isCut)
			return;
		this.#beat = setTimer(() => void this.#tell(body).catch(() => undefined), TTL_MS / 3);
		this.#beat.unref();
	}

	async leave(): Promise<void> {
		clearTimer(this.#beat);
		if (!this.#beat || this.#link.isCut)
			return;
		this.#beat = undefined;
		try {
			await this.#link.call('DELETE', this.#path);
		} catch {
			// it is forgotten by itself
		}
	}

	/** One text of lines as Redis lists its clients. */
	async list(): Promise<string[]> {
		await this.#link.ready();
		try {
			const { workers } = await this.#link.call<{ workers: { id: string; address: string; age_ms: number; name: string }[] }>(
				'GET', `/v1/workers${queryText({ ...this.#place })}`);
			return [workers.map(({ id, address, age_ms: age, name }) => `id=${id} addr=${address} age=${Math.floor(age / 1000)} name=${name}`).join('\n')];
		} catch (error) {
			throw absent(error) ? new TooOldError('this daemon keeps no list of workers (/v1/workers)') : error;
		}
	}
}

function absent(error: unknown): boolean {
	return error instanceof TooOldError;
}
