// Loaded first, it makes `bullmq` mean version 5.56: the application as it was before.
import Module from 'node:module';

const loader = Module as unknown as { _resolveFilename(request: string, ...rest: unknown[]): string };
const resolve = loader._resolveFilename;
loader._resolveFilename = function (request, ...rest) {
	return resolve.call(this, request === 'bullmq' ? 'bullmq-5.56' : request, ...rest);
};
