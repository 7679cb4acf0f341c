// The package: one factory for BullMQ's classes.
import { RucheBackend, type BackendOptions, type Role } from './backend.js';
import type { RucheConnection } from './options.js';

export { RucheBackend } from './backend.js';
export { RucheError, TooOldError, UnreachableError } from './errors.js';
export type { RucheConnection, RucheOptions } from './options.js';

/**
 * What BullMQ's classes take as their backend factory: `new Queue(name, { connection }, createRucheBackend)`, or once for the whole process,
 * `setDefaultBackendFactory(createRucheBackend)`. `connection` is `'http://TOKEN@host:port'`, `'unix:/path'`, or an object (RucheOptions).
 */
export function createRucheBackend(name: string, opts: { connection: RucheConnection | object; prefix?: string }, role?: Role): RucheBackend {
	return new RucheBackend(name, opts as BackendOptions, role);
}
