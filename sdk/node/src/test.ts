// The test kit, `import { startRuche } from 'ruche/test'`: a real daemon with an empty store, for one test file.
import { RucheProcess, type StartOptions } from './ruche-process.js';

export { RucheProcess, type StartOptions } from './ruche-process.js';

/**
 * Starts `ruche dev` on a free port of loopback with a store of its own, and a client for it. The binary is `options.binary`, else RUCHE_BIN, else `ruche`
 * of the PATH. Throws an Error that says what to do when it cannot be started.
 *
 *     const server = await startRuche();
 *     after(() => server.stop());
 */
export function startRuche(options: StartOptions = {}): Promise<RucheProcess> {
	return RucheProcess.start(options);
}
