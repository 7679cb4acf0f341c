// Who works: workers and event readers tell the daemon their names, for Queue.getWorkers.
import { randomUUID } from 'node:crypto';
import { RucheError, TooOldError } from './errors.js';
import { queryText } from './link.js';
import { clearTimer, setTimer } from './timers.js';
const TTL_MS = 60_000;
export class Registry {
    #link;
    #place;
    #id = randomUUID();
    #beat;
    #entered;
    constructor(link, place) {
        this.#link = link;
        this.#place = place;
    }
    get #path() {
        return `/v1/workers/${this.#id}`;
    }
    /** Tells it, and again from time to time. Once. */
    enter(kind, name) {
        this.#entered ??= this.#tell(JSON.stringify({ ...this.#place, name, kind, ttl_ms: TTL_MS }));
        return this.#entered;
    }
    async #tell(body) {
        try {
            await this.#link.call('PUT', this.#path, { body });
        }
        catch (error) {
            if (!absent(error))
                throw error;
            return; // a daemon without a registry: whoever asks for the list is told
        }
        if (this.#link.closing || this.#link.isCut)
            return;
        this.#beat = setTimer(() => void this.#tell(body).catch(() => undefined), TTL_MS / 3);
        this.#beat.unref();
    }
    async leave() {
        clearTimer(this.#beat);
        if (!this.#beat || this.#link.isCut)
            return;
        this.#beat = undefined;
        try {
            await this.#link.call('DELETE', this.#path);
        }
        catch {
            // it is forgotten by itself
        }
    }
    /** One text of lines as Redis lists its clients. */
    async list() {
        await this.#link.ready();
        try {
            const { workers } = await this.#link.call('GET', `/v1/workers${queryText({ ...this.#place })}`);
            return [workers.map(({ id, addr, age_ms: age, name }) => `id=${id} addr=${addr} age=${Math.floor(age / 1000)} name=${name}`).join('\n')];
        }
        catch (error) {
            throw absent(error) ? new TooOldError('this daemon keeps no list of workers (/v1/workers)') : error;
        }
    }
}
function absent(error) {
    return error instanceof RucheError && error.status === 404;
}
