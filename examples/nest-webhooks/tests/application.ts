// The application as it runs: its two processes, with what they talk to, on a backend.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SentryFake, ThirdPartiesFake } from './fakes';
import { freePort, Program, scratch, startRedis, startRuche, type Backend } from './processes';

export const WITH_REDIS = process.env['REDIS'] === '1';
export const PASSWORD = 'correct horse';
const READY = / at http:/; // Nest calls itself started before it listens

/** Ruche; and with REDIS=1 the same application on Redis, with today's bullmq and with the one from before version 6. */
export const BACKENDS = WITH_REDIS ? ['ruche', 'redis', 'redis with bullmq 5.56'] as const : ['ruche'] as const;
export type BackendName = (typeof BACKENDS)[number];

export interface Party {
	readonly ref: string;
	readonly format?: string;
	readonly secret?: string;
}

export class Application {
	private constructor(readonly daemon: Program, readonly queueUrl: string, readonly api: Program, readonly tools: Program, readonly parties: ThirdPartiesFake,
		readonly sentry: SentryFake, private readonly partiesFile: string, private readonly apiUrl: string, readonly boardUrl: string) {}

	/** `backend`: one that runs already; it ends with the application all the same. */
	static async start(on: BackendName, env: Readonly<Record<string, string>> = {}, backend?: Backend): Promise<Application> {
		const { program: daemon, url } = backend ?? await (on === 'ruche' ? startRuche() : startRedis());
		const [apiPort, toolsPort] = [await freePort(), await freePort()];
		const parties = await new ThirdPartiesFake().start(), sentry = await new SentryFake().start();
		const partiesFile = join(scratch(), 'third-parties.json');
		writeFileSync(partiesFile, '[]');
		const all = {
			QUEUE_URL: url, API_PORT: String(apiPort), TOOLS_PORT: String(toolsPort), BOARD_PASSWORD: PASSWORD, THIRD_PARTIES_FILE: partiesFile,
			COMMUNS_SECRET: 'bearer-of-news', SENTRY_DSN: sentry.dsn, WEBHOOK_ATTEMPTS: '3', WEBHOOK_BACKOFF_MS: '50',
			NODE_OPTIONS: '--unhandled-rejections=strict', NO_COLOR: '1', ...env,
		};
		const half = (name: string): Program => new Program({
			file: process.execPath, env: all, says: READY,
			args: [...(on.endsWith('5.56') ? ['--require', join(__dirname, 'five.js')] : []), join(__dirname, `../src/${name}.js`)],
		});
		const [api, tools] = [half('api'), half('tools')];
		const app = new Application(daemon, url, api, tools, parties, sentry, partiesFile, `http://127.0.0.1:${apiPort}`, `http://127.0.0.1:${toolsPort}/queues`);
		try {
			await Promise.all([api.start(), tools.start()]);
		} catch (error) {
			await app.stop();
			throw error;
		}
		return app;
	}

	/** Who is to be told from now on. */
	wanted(...parties: Party[]): void {
		writeFileSync(this.partiesFile, JSON.stringify(parties.map(({ ref, format = 'default', secret }) => ({
			ref, entityType: 'sheet', url: this.parties.url(ref), format, authentication: secret ? 'bearer' : 'none', secret,
		}))));
	}

	/** Saves sheets; answers the ids of the messages that are now kept. */
	async save(...sheets: object[]): Promise<string[]> {
		const response = await fetch(`${this.apiUrl}/sheets`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(sheets) });
		const answer = await response.json() as { messages: string[] };
		if (!response.ok)
			throw new Error(`${response.status} ${JSON.stringify(answer)}`);
		return answer.messages;
	}

	static readonly authorization = `Basic ${Buffer.from(`admin:${PASSWORD}`).toString('base64')}`;

	/** The board's own API, as its pages use it. */
	async boardAnswer(path: string, method = 'GET', body?: object): Promise<{ status: number; body: unknown }> {
		const headers = { authorization: Application.authorization, ...(body && { 'content-type': 'application/json' }) };
		const response = await fetch(`${this.boardUrl}/api${path}`, { method, headers, body: body && JSON.stringify(body) });
		const text = await response.text();
		return { status: response.status, body: text && JSON.parse(text) as unknown };
	}

	async board<T>(path: string, method = 'GET'): Promise<T> {
		const { status, body } = await this.boardAnswer(path, method);
		if (status >= 300)
			throw new Error(`${method} ${path}: ${status} ${JSON.stringify(body)}`);
		return body as T;
	}

	async job(queue: string, id: string): Promise<{ state: string; attempts: number; returnValue: unknown; failedReason?: string }> {
		const { job, status } = await this.board<{ job: { attempts: number; returnValue: unknown; failedReason?: string }; status: string }>(`/queues/${queue}/${id}`);
		return { ...job, state: status };
	}

	/** Waits for its end. The board reads job and state one after the other, so the job is read again. */
	async ended(queue: string, id: string): Promise<Awaited<ReturnType<Application['job']>>> {
		await eventually(() => this.job(queue, id), ({ state }) => state === 'completed' || state === 'failed');
		return this.job(queue, id);
	}

	async counts(queue: string): Promise<Readonly<Record<string, number>>> {
		return (await this.list(queue, 'latest')).counts;
	}

	/** The first page of a queue's jobs in a state. */
	async list(queue: string, state: string): Promise<{ counts: Readonly<Record<string, number>>; jobs: readonly { id: string; finishedOn: number; returnValue: unknown }[] }> {
		const { queues } = await this.board<{ queues: ({ name: string } & Awaited<ReturnType<Application['list']>>)[] }>(
			`/queues?activeQueue=${queue}&status=${state}&page=1&jobsPerPage=10`);
		return queues.find(({ name }) => name === queue)!;
	}

	/** Asks both halves to end; answers how they did. A second time it only answers. */
	async stop(): Promise<(number | string | null)[]> {
		const ends = await Promise.all([this.api.stop(), this.tools.stop()]);
		await this.daemon.stop();
		this.parties.stop();
		this.sentry.stop();
		return ends;
	}
}

/** Asks again and again until the answer is right; the test's own time-out is the limit. */
export async function eventually<T>(ask: () => Promise<T>, right: (answer: T) => boolean): Promise<T> {
	for (;;) {
		const answer = await ask();
		if (right(answer))
			return answer;
		await new Promise((resolve) => setTimeout(resolve, 50));
	}
}
