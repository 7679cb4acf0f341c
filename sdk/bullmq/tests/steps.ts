// A connection that goes step by step: before each piece that it sends on to the server, somebody looks around.
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import type { Server } from './world.js';

export interface Steps {
	/** What a queue takes as its connection. */
	readonly connection: Server['connection'];
	/** From now on. */
	look: (() => Promise<void>) | undefined;
	close(): Promise<void>;
}

/** Before a server on a port of this machine, whatever it speaks. */
export async function stepsBefore(target: Server['connection']): Promise<Steps> {
	const port = typeof target === 'string' ? Number(new URL(target).port) : target.port;
	const sockets = new Set<Socket>();
	const server = createServer((near) => {
		const far = connect(port, '127.0.0.1');
		let sent = Promise.resolve();
		for (const socket of [near, far]) {
			sockets.add(socket);
			socket.on('error', () => undefined);
			socket.on('close', () => {
				near.destroy();
				far.destroy();
			});
		}
		far.pipe(near);
		near.on('data', (piece: Buffer) => {
			sent = sent.then(async () => {
				await steps.look?.();
				far.write(piece);
			});
		});
	});
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	const own = (server.address() as AddressInfo).port;
	const steps: Steps = {
		connection: typeof target === 'string' ? `http://127.0.0.1:${own}` : { ...target, port: own },
		look: undefined,
		async close() {
			server.close();
			for (const socket of sockets)
				socket.destroy();
			await once(server, 'close');
		},
	};
	return steps;
}
