// What the backends of one queue object share: a way to the daemon, its trouble and its end.
import { EventEmitter } from 'node:events';
import { problemError, RucheError, TooOldError, UnreachableError } from './errors.js';
import { clock, pause } from './timers.js';
import { Broken, Transport } from './transport.js';
export const VERSION = '0.1.0';
const API = 1; // the version of the HTTP API that is spoken here
const PAUSE_MIN_MS = 25, PAUSE_MAX_MS = 1_000;
const CLOSE_MS = 2_000; // how long a daemon that does not answer may hold up a close
const REPEAT = new Set([429, 502, 503, 504, 507]);
/** The request may or may not have been carried out, and its caller does not want it repeated unseen. */
export class Lost extends Error {
}
export class Link extends EventEmitter {
    #target;
    #patient;
    #transport;
    #gone = new AbortController(); // disconnect, or the end of a close
    #ready;
    #closedAt;
    #troubled = false;
    #flying = 0;
    #landed = [];
    /** By name what the daemon can do. */
    features = new Set();
    /** `patient`: goes on until it is closed (workers, event streams). */
    constructor(target, patient) {
        super();
        this.setMaxListeners(0);
        this.#target = target;
        this.#patient = patient;
        const { address, token } = target;
        this.#transport = new Transport(address, { 'user-agent': `ruche-bullmq/${VERSION}`, ...(token ? { authorization: `Bearer ${token}` } : {}) });
    }
    get closing() {
        return this.#closedAt !== undefined;
    }
    get address() {
        return this.#target.address.text;
    }
    /** Resolves once the daemon has said who it is; goes on asking until then. */
    ready() {
        this.#ready ??= this.#greet();
        return this.#ready;
    }
    async #greet() {
        let answer;
        try {
            answer = await this.#send({ method: 'GET', path: '/v1', timeoutMs: this.#target.timeoutMs }, Infinity);
        }
        catch (error) {
            if (!(error instanceof RucheError && error.status === 404)) {
                this.#complain(error);
                throw error;
            }
            const old = new TooOldError(`the daemon at ${this.address} is too old for @ruche/bullmq ${VERSION}: it does not answer GET /v1`);
            this.#complain(old);
            throw old;
        }
        const hello = JSON.parse(answer.text);
        const [oldest, newest] = hello.api;
        if (API < oldest || API > newest) {
            const error = new TooOldError(`@ruche/bullmq ${VERSION} speaks version ${API} of the API, ruche ${hello.version} at ${this.address} speaks `
                + `${oldest} to ${newest}: update ${API < oldest ? '@ruche/bullmq' : 'ruche'}`);
            this.#complain(error);
            throw error;
        }
        this.features = new Set(hello.features ?? []);
        this.emit('ready');
    }
    /** Nobody may listen yet: an 'error' without a listener would be thrown. */
    #complain(error) {
        if (this.listenerCount('error') && !this.closing)
            this.emit('error', error);
    }
    /** Sends, repeats while that may help, and reads the JSON of the answer. */
    async call(method, path, options = {}) {
        const { once = false, ...rest } = options;
        const request = { method, path, timeoutMs: this.#target.timeoutMs, ...rest };
        const answer = await this.#send(request, this.#patient ? Infinity : this.#target.patienceMs, once);
        return (answer.text ? JSON.parse(answer.text) : undefined);
    }
    async #send(request, patienceMs, once = false) {
        this.#flying++;
        try {
            return await this.#sendPatiently(request, patienceMs, once);
        }
        finally {
            if (--this.#flying === 0)
                for (const resolve of this.#landed.splice(0))
                    resolve();
        }
    }
    async #sendPatiently(request, patienceMs, once) {
        let since, lost = false, pauseMs = PAUSE_MIN_MS;
        for (;;) {
            let error, mayWait = 0;
            try {
                const answer = await this.#transport.send(request);
                if (answer.status < 400) {
                    this.#recovered();
                    return answer;
                }
                const problem = problemOf(answer);
                error = problemError(problem);
                if (!REPEAT.has(answer.status))
                    throw error;
                if (once && problem.code === 'outcome_unknown')
                    throw new Lost(error.message);
                mayWait = answer.retryAfterMs ?? 0;
            }
            catch (cause) {
                if (!(cause instanceof Broken) || cause.how === 'left')
                    throw cause;
                lost ||= cause.how !== 'refused';
                error = new UnreachableError(this.address, cause.message, lost);
                this.#trouble(error);
                if (once && cause.how !== 'refused' && !this.#gone.signal.aborted)
                    throw new Lost(error.message);
            }
            since ??= clock();
            if (this.#gone.signal.aborted || clock() - since + pauseMs > this.#left(patienceMs))
                throw error;
            await pause(Math.max(pauseMs, Math.min(mayWait, 10_000)), request.signal);
            pauseMs = Math.min(pauseMs * 2, PAUSE_MAX_MS);
            if (request.signal?.aborted)
                throw new Broken('left', 'nobody waits for the answer any more');
        }
    }
    #left(patienceMs) {
        return this.closing ? Math.min(patienceMs, CLOSE_MS) : patienceMs;
    }
    #trouble(error) {
        if (this.#troubled || this.closing)
            return;
        this.#troubled = true;
        this.emit('close');
        this.#complain(error);
    }
    #recovered() {
        if (this.#troubled)
            this.emit('ready');
        this.#troubled = false;
    }
    /** From now on trouble is no longer waited out. */
    startClosing() {
        this.#closedAt ??= clock();
    }
    /** Resolves when nothing is on its way. */
    landed() {
        return this.#flying ? new Promise((resolve) => this.#landed.push(resolve)) : Promise.resolve();
    }
    /** Cuts whatever is on its way. */
    cut() {
        this.#gone.abort();
        this.#transport.close();
    }
    get isCut() {
        return this.#gone.signal.aborted;
    }
}
/** The problem in an answer, also when something between us and the daemon wrote it. */
function problemOf(answer) {
    try {
        const problem = JSON.parse(answer.text);
        if (typeof problem?.code === 'string')
            return problem;
    }
    catch {
        // no JSON: a proxy's page
    }
    return { title: `HTTP status ${answer.status}`, status: answer.status, code: 'bad_answer',
        detail: `status ${answer.status} without a problem of Ruche's; is something else listening there?` };
}
/** `?a=1&b=x`; empty when there is nothing to say. */
export function queryText(query) {
    const said = new URLSearchParams();
    for (const [name, value] of Object.entries(query))
        if (value !== undefined)
            said.set(name, String(value));
    const text = said.toString();
    return text && `?${text}`;
}
