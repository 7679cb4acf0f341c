// What stands in `connection`: an address as text, or an object with the names that Redis clients use too.
import { environmentToken, parseAddress, type Address } from './address.js';

/** How to reach the daemon. `host`, `port`, `path` and `password` are named as in Redis options, so that typed programs need no cast. */
export interface RucheOptions {
	/** `http://TOKEN@host:port`, `https://host` or `unix:/path`; instead of the fields below. */
	url?: string;
	host?: string;
	/** 8420. */
	port?: number;
	/** A Unix socket. */
	path?: string;
	/** Default: what stands in the address, then RUCHE_TOKEN, then what the file RUCHE_TOKEN_FILE holds. */
	token?: string;
	/** The same as `token`. */
	password?: string;
	/**
	 * How long a call of a Queue goes on over a broken connection or a busy daemon before it rejects, in milliseconds (10,000). Workers wait for work,
	 * and QueueEvents for events, until they are closed.
	 */
	patienceMs?: number;
	/** Longest wait for an answer, in milliseconds (30,000). */
	timeoutMs?: number;
}

export type RucheConnection = string | URL | RucheOptions;

export interface Target {
	readonly address: Address;
	readonly token: string | undefined;
	readonly patienceMs: number;
	readonly timeoutMs: number;
}

const DEFAULT_PORT = 8420;

/** Throws a TypeError that says what is wrong with it. */
export function readConnection(connection: unknown): Target {
	if (typeof connection === 'string' || connection instanceof URL)
		return target({ url: String(connection) });
	if (typeof connection !== 'object' || connection === null)
		throw new TypeError(`connection: expected 'http://TOKEN@host:port', 'unix:/path' or an object with url, host, port, path or token; got ${typeof connection}`);
	if (typeof (connection as { duplicate?: unknown }).duplicate === 'function')
		throw new TypeError("connection: this is a Redis client; give Ruche's address instead, as in 'http://TOKEN@127.0.0.1:8420'");
	return target(connection as RucheOptions);
}

function target(options: RucheOptions): Target {
	const address = parseAddress(options.url ?? written(options));
	const token = options.token ?? options.password ?? address.token ?? environmentToken();
	return { address, token, patienceMs: duration('patienceMs', options.patienceMs, 10_000), timeoutMs: duration('timeoutMs', options.timeoutMs, 30_000) };
}

function written(options: RucheOptions): string {
	if (options.path)
		return `unix:${options.path}`;
	if (!options.host && !options.port)
		return process.env['RUCHE_URL'] ?? `http://127.0.0.1:${DEFAULT_PORT}`;
	const host = options.host ?? '127.0.0.1';
	return `http://${host.includes(':') ? `[${host}]` : host}:${options.port ?? DEFAULT_PORT}`;
}

function duration(name: string, value: number | undefined, usual: number): number {
	if (value === undefined)
		return usual;
	if (typeof value !== 'number' || !(value >= 0))
		throw new TypeError(`connection.${name}: expected milliseconds, 0 or more; got ${String(value)}`);
	return value;
}
