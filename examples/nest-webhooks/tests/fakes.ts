// What the application talks to: third parties that answer as they are told, and an intake for Sentry.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { gunzipSync } from 'node:zlib';

/** Things that came in, in order, and who waits for them. */
class Intake<T> {
	readonly all: T[] = [];
	private readonly waiting = new Set<() => void>();

	push(item: T): void {
		this.all.push(item);
		for (const look of [...this.waiting])
			look();
	}

	/** Resolves when `enough` holds for what came; the test's own time-out is the limit. */
	until(enough: (all: readonly T[]) => boolean): Promise<void> {
		return new Promise((resolve) => {
			const look = (): void => {
				if (enough(this.all)) {
					this.waiting.delete(look);
					resolve();
				}
			};
			this.waiting.add(look);
			look();
		});
	}
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
	const chunks: Buffer[] = [];
	for await (const chunk of request)
		chunks.push(chunk as Buffer);
	return Buffer.concat(chunks);
}

async function listening(server: Server): Promise<number> {
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	return (server.address() as { port: number }).port;
}

export interface Call {
	readonly party: string;
	readonly key: string;
	readonly authorization: string | undefined;
	readonly body: unknown;
	readonly status: number;
}

/** All third parties: `http://…/NAME` answers as `status` says for NAME, and 200 otherwise. */
export class ThirdPartiesFake extends Intake<Call> {
	readonly status: Record<string, number> = {};
	private port = 0;
	private readonly server = createServer((request, response) => {
		const party = request.url!.slice(1);
		void bodyOf(request).then((body) => {
			const status = this.status[party] ?? 200;
			const key = String(request.headers['idempotency-key']);
			response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(status < 300 ? { id: `${party}-${key}` } : { sorry: status }));
			this.push({ party, key, authorization: request.headers.authorization, body: JSON.parse(body.toString()), status });
		});
	});

	async start(): Promise<this> {
		this.port = await listening(this.server);
		return this;
	}

	url(party: string): string {
		return `http://127.0.0.1:${this.port}/${party}`;
	}

	stop(): void {
		this.server.close();
		this.server.closeAllConnections();
	}
}

export interface SentryEvent {
	readonly tags?: Readonly<Record<string, unknown>>;
	readonly exception?: { readonly values: readonly { readonly type: string; readonly value: string; readonly mechanism?: { readonly type: string } }[] };
}

/** Keeps the error events of the envelopes that it gets; sessions and the like are let go. */
export class SentryFake extends Intake<SentryEvent> {
	dsn = '';
	private readonly server = createServer((request, response) => {
		void bodyOf(request).then((body) => {
			response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
			const text = (request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body).toString();
			const [, ...items] = text.trimEnd().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>);
			for (let i = 0; i + 1 < items.length; i += 2)
				if (items[i]!['type'] === 'event')
					this.push(items[i + 1] as SentryEvent);
		});
	});

	async start(): Promise<this> {
		this.dsn = `http://public@127.0.0.1:${await listening(this.server)}/1`;
		return this;
	}

	stop(): void {
		this.server.close();
		this.server.closeAllConnections();
	}
}
