// What stands in `connection`: an address as text, or an object with the names that Redis clients use too.
import { environmentToken, parseAddress } from './address.js';
const DEFAULT_PORT = 8420;
/** Throws a TypeError that says what is wrong with it. */
export function readConnection(connection) {
    if (typeof connection === 'string' || connection instanceof URL)
        return target({ url: String(connection) });
    if (typeof connection !== 'object' || connection === null)
        throw new TypeError(`connection: expected 'http://TOKEN@host:port', 'unix:/path' or an object with url, host, port, path or token; got ${typeof connection}`);
    if (typeof connection.duplicate === 'function')
        throw new TypeError("connection: this is a Redis client; give Ruche's address instead, as in 'http://TOKEN@127.0.0.1:8420'");
    return target(connection);
}
function target(options) {
    const address = parseAddress(options.url ?? written(options));
    const token = options.token ?? options.password ?? address.token ?? environmentToken();
    return { address, token, patienceMs: duration('patienceMs', options.patienceMs, 10_000), timeoutMs: duration('timeoutMs', options.timeoutMs, 30_000) };
}
function written(options) {
    if (options.path)
        return `unix:${options.path}`;
    if (!options.host && !options.port)
        return process.env['RUCHE_URL'] ?? `http://127.0.0.1:${DEFAULT_PORT}`;
    const host = options.host ?? '127.0.0.1';
    return `http://${host.includes(':') ? `[${host}]` : host}:${options.port ?? DEFAULT_PORT}`;
}
function duration(name, value, usual) {
    if (value === undefined)
        return usual;
    if (typeof value !== 'number' || !(value >= 0))
        throw new TypeError(`connection.${name}: expected milliseconds, 0 or more; got ${String(value)}`);
    return value;
}
