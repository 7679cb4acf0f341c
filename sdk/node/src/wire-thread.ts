// What runs in the worker thread. The function below is handed to the thread as text, so that no bundler can lose it: it must not name anything
// outside itself.
import type * as Net from 'node:net';
import type * as Tls from 'node:tls';
import type * as Threads from 'node:worker_threads';
import type { httpLines, LineOutcome, LineTarget } from './http-lines.js';

/** Where and as whom: given to the thread when it starts. @internal */
export interface WireData extends LineTarget {
	/** Longest span between heartbeats, in milliseconds; leases shorter than three times this are renewed more often. */
	readonly heartbeatMs: number;
}

/** To the thread. @internal */
export type WireOrder =
	| Dropped & { readonly kind: 'post'; readonly number: number; readonly path: string; readonly body: string; readonly key?: string | undefined;
		readonly token?: string | undefined; readonly timeoutMs: number; readonly connectMs: number }
	| { readonly kind: 'abort'; readonly number: number }
	| Dropped & { readonly kind: 'drop' };

/** Leases that are done with: of whole claims, and of others. @internal */
export interface Dropped {
	readonly tokens: readonly string[];
	readonly leases: readonly DroppedLease[];
}

/** @internal */
export interface DroppedLease {
	readonly token: string;
	readonly uid: string;
	readonly fence: number;
}

/** From the thread. @internal */
export type WireReport =
	| { readonly kind: 'answer'; readonly number: number; readonly status: number; readonly retryAfterMs?: number | undefined; readonly text: string }
	| { readonly kind: 'broken'; readonly number: number; readonly how: 'refused' | 'lost' | 'late'; readonly code?: string | undefined;
		readonly message: string }
	| { readonly kind: 'cancel'; readonly token: string; readonly uid: string; readonly fence: number }
	| { readonly kind: 'lost'; readonly token: string; readonly uid: string; readonly fence: number; readonly detail: string };

/** Carries a worker's requests and keeps the leases that their answers bring, whatever the main thread does. @internal */
export function wireThread(threads: typeof Threads, net: typeof Net, tls: typeof Tls, lines: typeof httpLines): void {
	type Lease = { uid: string; token: string; fence: number; leaseMs: number; told: boolean };
	type Claimed = { uid: string; fence: number; lease_ms: number };
	type Claim = { token?: string; jobs?: Claimed[] };
	type Beat = { uid: string; cancel_requested?: boolean; problem?: { code: string; detail?: string } };
	const port = threads.parentPort!;
	const data = threads.workerData as WireData;
	const way = lines(net, tls, { set: setTimeout, clear: clearTimeout, clock: () => performance.now() }, data);
	const flying = new Map<number, () => void>();
	const held = new Map<string, Lease>();
	/** Answers with leases, by the tokens of their claims. Most are done with before the first heartbeat is due: they are read only then. */
	const unread = new Map<string, { text: string; leaseMs: number; dropped?: Set<string> }>();
	const LEASE_MS = '"lease_ms":';
	const CHUNK = 2_000; // leases of one heartbeat request
	let timer: NodeJS.Timeout | undefined;
	let timerAt = Infinity;
	let beating = false;

	const report = (message: WireReport): void => port.postMessage(message);

	/** Sends a POST on a connection of its own choice: one that waits keeps no other from leaving. */
	function post(path: string, body: string, key: string | undefined, timeoutMs: number, connectMs: number, done: (outcome: LineOutcome) => void): () => void {
		return way.send({ method: 'POST', path, body, idempotencyKey: key, timeoutMs, connectMs, waits: true }, done);
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
		let leaseMs = Infinity;
		for (let at = text.indexOf(LEASE_MS); at >= 0; at = text.indexOf(LEASE_MS, at + 1)) // in payloads too: then it is read sooner than need be
			leaseMs = Math.min(leaseMs, parseInt(text.slice(at + LEASE_MS.length, at + LEASE_MS.length + 12), 10) || 0);
		if (leaseMs === Infinity)
			return;
		unread.set(token, { text, leaseMs });
		plan();
	}

	function read(): void {
		for (const [token, { text, dropped }] of unread) {
			const answer = parsed<Claim & { results?: Claim[] }>(text);
			for (const claim of Array.isArray(answer.results) ? answer.results : [answer])
				if (claim?.jobs && claim.token === token)
					for (const job of claim.jobs)
						if (!dropped?.has(`${job.uid}:${job.fence}`))
							held.set(job.uid, { uid: job.uid, token, fence: job.fence, leaseMs: job.lease_ms, told: false });
		}
		unread.clear();
	}

	function drop({ tokens, leases }: Dropped): void {
		for (const token of tokens)
			if (!unread.delete(token))
				for (const [uid, lease] of held)
					if (lease.token === token)
						held.delete(uid);
		for (const { token, uid, fence } of leases) {
			const answer = unread.get(token);
			if (answer)
				(answer.dropped ??= new Set()).add(`${uid}:${fence}`);
			else if (held.get(uid)?.fence === fence)
				held.delete(uid);
		}
	}

	function intervalMs(): number {
		let ms = data.heartbeatMs;
		for (const lease of held.values())
			ms = Math.min(ms, lease.leaseMs / 3);
		for (const { leaseMs } of unread.values())
			ms = Math.min(ms, leaseMs / 3);
		return Math.max(ms, 5);
	}

	function plan(ms = intervalMs()): void {
		if (!held.size && !unread.size || beating)
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
		read();
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
				report({ kind: 'lost', token: lease.token, uid: lease.uid, fence: lease.fence, detail: result.problem?.detail ?? code });
			} else if (result.cancel_requested && !lease.told) {
				lease.told = true;
				report({ kind: 'cancel', token: lease.token, uid: lease.uid, fence: lease.fence });
			}
		});
	}

	port.on('message', (order: WireOrder) => {
		if (order.kind === 'drop') {
			drop(order);
		} else if (order.kind === 'abort') {
			const giveUp = flying.get(order.number);
			if (!giveUp)
				return; // its outcome is told already
			giveUp();
			flying.delete(order.number);
			report({ kind: 'broken', number: order.number, how: 'lost', message: 'nobody waits for the answer any more' });
		} else {
			const { number, path, body, key, token, timeoutMs, connectMs } = order;
			drop(order);
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
