// The worker thread of a client, seen from the main thread: carries the workers' requests, keeps their leases alive while the main thread is busy,
// and tells of cancelled jobs and lost leases.
import { Worker as Thread } from 'node:worker_threads';
import type { Address } from './address.js';
import { httpLines } from './http-lines.js';
import { Broken, words, type Answer, type Request, type Sender } from './sender.js';
import { setTimer } from './timers.js';
import { wireThread, type DroppedLease, type WireData, type WireOrder, type WireReport } from './wire-thread.js';

/** A lease in a worker's hands, and what it wants to hear of it. @internal */
export interface LeaseHolder {
	readonly job: { readonly uid: string; readonly fence: number };
	cancelled(): void;
	lost(detail: string): void;
}

/** The leases that one claim brought. @internal */
export class Leases {
	readonly token: string;
	readonly holders: LeaseHolder[] = [];
	/** Those that are not done with. */
	left = 0;

	constructor(token: string) {
		this.token = token;
	}

	add(holder: LeaseHolder): void {
		this.holders.push(holder);
		this.left++;
	}
}

const DROP_MS = 20; // before dropped leases are told of, if no request takes the word along: each word to the thread costs

interface Waiting {
	readonly resolve: (answer: Answer) => void;
	readonly reject: (error: Error) => void;
	readonly unhook: () => void;
}

/** @internal */
export class Wire implements Sender {
	readonly #thread: Thread;
	readonly #waiting = new Map<number, Waiting>();
	readonly #leases = new Map<string, Leases>();
	#over: string[] = [];
	#dropped: DroppedLease[] = [];
	#telling = false;
	#numbers = 0;
	#closed = false;

	constructor(address: Address, headers: Record<string, string>, heartbeatMs: number) {
		const { secure, hostname, port, socketPath, prefix } = address;
		const workerData: WireData = { secure, hostname, port, socketPath, prefix, headers, heartbeatMs };
		// `__name`: some bundlers wrap functions in it
		const source = `const __name = (f) => f; (${wireThread.toString()})(require('node:worker_threads'), require('node:net'), require('node:tls'), ${httpLines.toString()});`;
		this.#thread = new Thread(source, { eval: true, workerData, name: 'ruche-wire', execArgv: [], stdin: false });
		this.#thread.on('message', (report: WireReport) => this.#heard(report));
		this.#thread.on('error', (error) => this.#ended(error));
		this.#thread.on('exit', () => this.#ended(new Error('the thread has ended')));
	}

	/** Sends a POST. With `claims`, the leases of the jobs in the answer are kept until they are dropped. */
	send(request: Request): Promise<Answer> {
		return new Promise((resolve, reject) => {
			const { signal } = request;
			if (this.#closed || signal?.aborted) {
				reject(signal?.aborted ? signal.reason as Error : new Broken('refused', 'the client is closed'));
				return;
			}
			const number = ++this.#numbers;
			// An answer may be on its way from the thread, with leases in it: what the thread says next decides.
			const abort = (): void => this.#order({ kind: 'abort', number });
			signal?.addEventListener('abort', abort, { once: true });
			this.#waiting.set(number, {
				resolve,
				reject: (error) => reject(signal?.aborted ? signal.reason as Error : error),
				unhook: () => signal?.removeEventListener('abort', abort),
			});
			this.#order({
				kind: 'post', number, path: request.path, body: request.body ?? '{}', key: request.idempotencyKey, token: request.claims,
				timeoutMs: request.timeoutMs, connectMs: request.connectMs ?? 1_800, ...this.#takeDropped(),
			});
		});
	}

	/** Who hears of these leases, from now on until each is dropped. */
	listen(leases: Leases): void {
		if (leases.left)
			this.#leases.set(leases.token, leases);
	}

	/** The lease is done with: no more heartbeats. Once for each. */
	drop(leases: Leases, holder: LeaseHolder): void {
		if (--leases.left > 0) {
			this.#dropped.push({ token: leases.token, uid: holder.job.uid, fence: holder.job.fence });
		} else {
			this.#leases.delete(leases.token);
			this.#over.push(leases.token);
		}
		if (this.#telling)
			return;
		this.#telling = true;
		setTimer(() => {
			this.#telling = false;
			if (this.#over.length || this.#dropped.length)
				this.#order({ kind: 'drop', ...this.#takeDropped() });
		}, DROP_MS);
	}

	#takeDropped(): { tokens: string[]; leases: DroppedLease[] } {
		const tokens = this.#over, leases = this.#dropped.filter(({ token }) => this.#leases.has(token));
		this.#over = [];
		this.#dropped = [];
		return { tokens, leases };
	}

	async close(): Promise<void> {
		this.#closed = true;
		await this.#thread.terminate();
	}

	#order(order: WireOrder): void {
		if (!this.#closed)
			this.#thread.postMessage(order);
	}

	#take(number: number): Waiting | undefined {
		const waiting = this.#waiting.get(number);
		this.#waiting.delete(number);
		waiting?.unhook();
		return waiting;
	}

	#heard(report: WireReport): void {
		if (report.kind === 'answer')
			this.#take(report.number)?.resolve(report);
		else if (report.kind === 'broken')
			this.#take(report.number)?.reject(new Broken(report.how, words(report)));
		else
			this.#heardOfLease(report);
	}

	#heardOfLease(report: WireReport & { kind: 'cancel' | 'lost' }): void {
		const holder = this.#leases.get(report.token)?.holders.find(({ job }) => job.uid === report.uid && job.fence === report.fence);
		if (report.kind === 'cancel')
			holder?.cancelled();
		else
			holder?.lost(report.detail);
	}

	#ended(error: Error): void {
		this.#closed = true;
		for (const number of [...this.#waiting.keys()])
			this.#take(number)?.reject(new Broken('lost', error.message, error));
	}
}
