// What runs in the worker thread. The function below is handed to the thread as text, so that no bundler can lose it: it must not name anything
// outside itself.
import type * as Http from 'node:http';
import type * as Https from 'node:https';
import type * as Threads from 'node:worker_threads';

/** Where and as whom: given to the thread when it starts. @internal */
export interface WireData {
	readonly secure: boolean;
	/** `hostname` and `port`, or `socketPath`. */
	readonly where: Record<string, string | number>;
	readonly prefix: string;
	readonly headers: Record<string, string>;
	/** Longest span between heartbeats, in milliseconds; leases shorter than three times this are renewed more often. */
	readonly heartbeatMs: number;
}

/** To the thread. @internal */
export type WireOrder =
	| { readonly kind: 'post'; readonly number: number; readonly path: string; readonly body: string; readonly key?: string | undefined;
		readonly token?: string | undefined; readonly timeoutMs: number; readonly connectMs: number }
	| { readonly kind: 'abort'; readonly number: number }
	| { readonly kind: 'drop'; readonly uid: string; readonly fence: number };

/** From the thread. @internal */
export type WireReport =
	| { readonly kind: 'answer'; readonly number: number; readonly status: number; readonly retryAfterMs?: number | undefined; readonly text: string }
	| { readonly kind: 'broken'; readonly number: number; readonly how: 'refused' | 'lost' | 'late'; readonly code?: string | undefined;
		readonly message: string }
	| { readonly kind: 'cancel'; readonly uid: string; readonly fence: number }
	| { readonly kind: 'lost'; readonly uid: string; readonly fence: number; readonly detail: string };

/** Carries a worker's requests and keeps the leases that their answers bring, whatever the main thread does. @internal */
export function wireThread(threads: typeof Threads, http: typeof Http, https: typeof Https): void {
	type Lease = { uid: string; token: string; fence: number; leaseMs: number; told: boolean };
	type Claimed = { uid: string; fence: number; lease_ms: number };
	type Claim = { token?: string; jobs?: Claimed[] };
	type Beat = { uid: string; cancel_requested?: boolean; problem?: { code: string; detail?: string } };
	const port = threads.parentPort!;
	const data = threads.workerData as WireData;
	const web = data.secure ? https : http;
	const agent = new web.Agent({ keepAlive: true });
	const flying = new Map<number, Http.ClientRequest>();
	const held = new Map<string, Lease>();
	const CHUNK = 2_000; // leases of one heartbeat request
	let timer: NodeJS.Timeout | undefined;
	let timerAt = Infinity;
	let beating = false;

	const report = (message: WireReport): void => port.postMessage(message);

	type Outcome = { status: number; retryAfterMs?: number | undefined; text: string } | { how: 'refused' | 'lost' | 'late'; code?: string | undefined; message: string };
	function post(path: string, body: string, key: string | undefined, timeoutMs: number, connectMs: number, done: (outcome: Outcome) => void): Http.ClientRequest {
		let over = false, connected = false;
		const finish = (outcome: Outcome): void => {
			if (over)
				return;
			over = true;
			clearTimeout(late);
			clearTimeout(connecting);
			done(outcome);
		};
		const headers: Record<string, string | number> = { ...data.headers, 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
		if (key)
			headers['idempotency-key'] = key;
		const request = web.request({ ...data.where, method: 'POST', path: data.prefix + path, headers, agent });
		const late = setTimeout(() => {
			finish({ how: 'late', message: `no answer within ${timeoutMs} ms` });
			request.destroy();
		}, timeoutMs);
		let connecting: NodeJS.Timeout | undefined;
		request.on('socket', (socket) => {
			connected = !socket.connecting;
			if (connected)
				return;
			connecting = setTimeout(() => {
				finish({ how: 'refused', message: `no connection within ${Math.round(connectMs)} ms` });
				request.destroy();
			}, connectMs);
			socket.once('connect', () => {
				connected = true;
				clearTimeout(connecting);
			});
		});
		let answered: Http.IncomingMessage | undefined;
		request.on('response', (incoming) => {
			answered = incoming;
			const chunks: Buffer[] = [];
			const seconds = Number(incoming.headers['retry-after'] ?? NaN);
			incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
			incoming.on('end', () => finish({
				status: incoming.statusCode ?? 0,
				retryAfterMs: Number.isFinite(seconds) ? seconds * 1000 : undefined,
				text: Buffer.concat(chunks).toString('utf8'),
			}));
			incoming.on('error', () => undefined); // 'close' follows
		});
		request.on('error', (error: NodeJS.ErrnoException) => finish({ how: connected ? 'lost' : 'refused', code: error.code, message: error.message }));
		request.on('close', () => answered?.complete || finish({ how: 'lost', code: 'ECONNRESET', message: 'the connection was cut' }));
		request.end(body);
		return request;
	}

	/** What is no JSON says nothing: the main thread complains of it. */
	function parsed<T extends object>(text: string): T {
		try {
			return Object(JSON.parse(text)) as T;
		} catch {
			return {} as T;
		}
	}

	/** An answer may hold claims: its own, or those of a batch. Their leases are kept from now on. */
	function hold(text: string, token: string): void {
		const answer = parsed<Claim & { results?: Claim[] }>(text);
		for (const claim of Array.isArray(answer.results) ? answer.results : [answer])
			if (claim?.jobs && claim.token === token)
				for (const job of claim.jobs)
					held.set(job.uid, { uid: job.uid, token, fence: job.fence, leaseMs: job.lease_ms, told: false });
		plan();
	}

	function intervalMs(): number {
		let ms = data.heartbeatMs;
		for (const lease of held.values())
			ms = Math.min(ms, lease.leaseMs / 3);
		return Math.max(ms, 5);
	}

	function plan(ms = intervalMs()): void {
		if (!held.size || beating)
			return;
		const at = performance.now() + ms;
		if (at >= timerAt)
			return;
		clearTimeout(timer);
		timerAt = at;
		timer = setTimeout(beat, ms);
	}

	function beat(): void {
		timerAt = Infinity;
		const leases = [...held.values()];
		let left = Math.ceil(leases.length / CHUNK), broken = false;
		beating = left > 0;
		for (let i = 0; i < leases.length; i += CHUNK) {
			const chunk = leases.slice(i, i + CHUNK);
			const body = JSON.stringify({ leases: chunk.map(({ uid, token, fence }) => ({ uid, token, fence })) });
			const timeoutMs = Math.max(1_000, Math.min(10_000, intervalMs() * 2));
			post('/v1/leases/heartbeat', body, undefined, timeoutMs, 1_800, (outcome) => {
				if ('text' in outcome && outcome.status === 200)
					heard(chunk, parsed<{ results?: Beat[] }>(outcome.text).results ?? []);
				else
					broken = true; // whatever it is, the leases are worth another try
				if (--left === 0) {
					beating = false;
					plan(broken ? Math.min(intervalMs(), 250) : undefined);
				}
			});
		}
	}

	function heard(leases: Lease[], results: Beat[]): void {
		leases.forEach((lease, i) => {
			const result = results[i];
			if (!result || held.get(lease.uid) !== lease)
				return; // dropped meanwhile
			const code = result.problem?.code;
			if (code === 'stale_lease' || code === 'job_not_found') {
				held.delete(lease.uid);
				report({ kind: 'lost', uid: lease.uid, fence: lease.fence, detail: result.problem?.detail ?? code });
			} else if (result.cancel_requested && !lease.told) {
				lease.told = true;
				report({ kind: 'cancel', uid: lease.uid, fence: lease.fence });
			}
		});
	}

	port.on('message', (order: WireOrder) => {
		if (order.kind === 'drop') {
			if (held.get(order.uid)?.fence === order.fence)
				held.delete(order.uid);
		} else if (order.kind === 'abort') {
			flying.get(order.number)?.destroy();
		} else {
			const { number, path, body, key, token, timeoutMs, connectMs } = order;
			flying.set(number, post(path, body, key, timeoutMs, connectMs, (outcome) => {
				flying.delete(number);
				if ('how' in outcome) {
					report({ kind: 'broken', number, ...outcome });
					return;
				}
				if (token && outcome.status === 200)
					hold(outcome.text, token);
				report({ kind: 'answer', number, ...outcome });
			}));
		}
	});
}
