// The package: one factory for BullMQ's classes.
import { RucheBackend } from './backend.js';
export { RucheBackend } from './backend.js';
export { RucheError, TooOldError, UnreachableError } from './errors.js';
/**
 * What BullMQ's classes take as their backend factory: `new Queue(name, { connection }, createRucheBackend)`, or once for the whole process,
 * `setDefaultBackendFactory(createRucheBackend)`. `connection` is `'http://TOKEN@host:port'`, `'unix:/path'`, or an object (RucheOptions).
 */
export function createRucheBackend(name, opts, role) {
    return new RucheBackend(name, opts, role);
}
