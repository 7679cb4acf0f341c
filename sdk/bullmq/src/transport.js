// HTTP/1.1 to the daemon, over TCP or a Unix socket, on connections that stay open. Backends of one process that go to the same place share them.
import * as http from 'node:http';
import * as https from 'node:https';
import { clearTimer, setTimer } from './timers.js';
const CONNECT_MS = 1_800;
const SOCKETS = 32; // of requests that are answered at once; those that wait have their own
const IDLE_MS = 30_000;
/** No whole answer came. */
export class Broken extends Error {
    how;
    constructor(
    /** `refused`: nothing was sent. `lost`: it may have been done. `late`: no answer in time, it may have been done. `left`: the caller went away. */
    how, what) {
        super(what);
        this.how = how;
    }
}
export class Transport {
    #address;
    #headers;
    #module;
    #agent;
    #waiting;
    constructor(address, headers) {
        this.#address = address;
        this.#headers = headers;
        this.#module = address.secure ? https : http;
        this.#agent = new this.#module.Agent({ keepAlive: true, maxSockets: SOCKETS, timeout: IDLE_MS });
        this.#waiting = new this.#module.Agent({ keepAlive: true });
    }
    /** Sends once. Rejects with Broken. */
    send(request) {
        return new Promise((resolve, reject) => {
            const { hostname, port, socketPath, prefix } = this.#address;
            const headers = { ...this.#headers };
            if (request.body !== undefined) {
                headers['content-type'] = 'application/json';
                headers['content-length'] = Buffer.byteLength(request.body);
            }
            if (request.idempotencyKey)
                headers['idempotency-key'] = request.idempotencyKey;
            const outgoing = this.#module.request({
                method: request.method, path: prefix + request.path, headers, agent: request.waits ? this.#waiting : this.#agent,
                ...(socketPath ? { socketPath } : { hostname, port }),
            });
            watch(outgoing, request, reject);
            outgoing.on('response', (incoming) => {
                const chunks = [];
                incoming.on('data', (chunk) => chunks.push(chunk));
                incoming.on('error', (error) => reject(new Broken('lost', words(error))));
                incoming.on('end', () => resolve({
                    status: incoming.statusCode ?? 0,
                    retryAfterMs: milliseconds(incoming.headers['retry-after']),
                    text: chunks.length === 1 ? chunks[0].toString('utf8') : Buffer.concat(chunks).toString('utf8'),
                }));
            });
            outgoing.end(request.body);
        });
    }
    /** Closes idle connections and cuts those in use. */
    close() {
        this.#agent.destroy();
        this.#waiting.destroy();
    }
}
/** Bounds a request's connecting and answering, and rejects it in our own words. */
function watch(outgoing, request, reject) {
    const { signal } = request;
    let connected = false, answer, connecting;
    const fail = (how, what) => {
        reject(new Broken(how, what));
        outgoing.destroy();
    };
    const late = setTimer(() => fail('late', `no answer within ${request.timeoutMs} ms`), request.timeoutMs);
    const left = () => fail('left', 'nobody waits for the answer any more');
    outgoing.on('socket', (socket) => {
        connected = !socket.connecting;
        if (connected)
            return;
        connecting = setTimer(() => fail('refused', `no connection within ${CONNECT_MS} ms`), CONNECT_MS);
        socket.once('connect', () => {
            connected = true;
            clearTimer(connecting);
        });
    });
    outgoing.on('error', (error) => reject(new Broken(connected ? 'lost' : 'refused', words(error))));
    outgoing.on('response', (incoming) => {
        answer = incoming;
    });
    outgoing.on('close', () => {
        clearTimer(late);
        clearTimer(connecting);
        signal?.removeEventListener('abort', left);
        if (!answer?.complete) // what is complete may still be read
            reject(new Broken('lost', 'the connection was cut'));
    });
    if (signal?.aborted)
        left();
    else
        signal?.addEventListener('abort', left, { once: true });
}
/** A network error in words. */
function words(error) {
    const known = {
        ECONNREFUSED: 'connection refused', ECONNRESET: 'the connection was cut', EPIPE: 'the connection was cut', ENOENT: 'there is no such socket',
        ENOTFOUND: 'the name is unknown', EAI_AGAIN: 'the name cannot be looked up', EHOSTUNREACH: 'no route to the host', EACCES: 'permission denied',
        ETIMEDOUT: 'no connection in time',
    };
    const code = error.code ?? '';
    return known[code] ? `${known[code]} (${code})` : error.message || code || 'the connection failed';
}
/** `Retry-After` in milliseconds; Ruche says seconds. */
function milliseconds(header) {
    const seconds = Number(header);
    return header && Number.isFinite(seconds) ? seconds * 1000 : undefined;
}
