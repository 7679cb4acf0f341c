// What this process knows of jobs: their uids, and of those that it runs the fence and how many stacks they had.
import type { JobJson, JobsOptions } from 'bullmq';
import type { WireError, WireGrant } from './wire.js';

const KNOWN_MAX = 10_000; // in two generations: a Map that is also a queue gets slow in V8

interface Known {
	readonly uid: string;
	readonly fence?: number;
	readonly stacks?: number;
	readonly stackLimit?: number | undefined;
	/** One that the daemon cannot take as a name. */
	readonly name?: string;
}

export class Held {
	#known = new Map<string, Known>();
	#older = new Map<string, Known>();

	learn(id: string, uid: string): void {
		this.#put(id, { uid });
	}

	take(grant: WireGrant, job: JobJson): void {
		const { stackTraceLimit } = job.opts as JobsOptions;
		this.#put(grant.id, { uid: grant.uid, fence: grant.fence, stacks: stacksOf(job.stacktrace).length, stackLimit: stackTraceLimit,
			...(grant.metadata?.name === undefined ? {} : { name: grant.metadata.name }) });
	}

	forget(id: string): void {
		this.#known.delete(String(id));
		this.#older.delete(String(id));
	}

	uid(id: string): string | undefined {
		return this.#get(id)?.uid;
	}

	fence(id: string): number | undefined {
		return this.#get(id)?.fence;
	}

	#get(id: string): Known | undefined {
		return this.#known.get(String(id)) ?? this.#older.get(String(id));
	}

	/** The name of a job that runs, if it stands in its metadata. */
	oddName(id: string): string | undefined {
		return this.#known.get(String(id))?.name;
	}

	/** The attempt's error out of BullMQ's fields, which hold the stacks of all attempts: its own is the last, if it had one. */
	error(id: string, fields: Record<string, unknown>): WireError {
		const message = String(fields['failedReason'] ?? '');
		const stacks = stacksOf(fields['stacktrace']);
		const known = this.#get(id);
		const before = known?.stacks ?? 0;
		const full = known?.stackLimit !== undefined && stacks.length >= known.stackLimit;
		const own = stacks.length > before || full ? stacks.at(-1) : undefined;
		return { message, ...(own ? { stack: own } : {}) };
	}

	/** The oldest are forgotten: they are then named by queue and id. */
	#put(id: string, known: Known): void {
		this.#known.set(id, known);
		if (this.#known.size >= KNOWN_MAX / 2) {
			this.#older = this.#known;
			this.#known = new Map();
		}
	}
}

function stacksOf(text: unknown): string[] {
	try {
		const stacks: unknown = typeof text === 'string' && text !== '[]' ? JSON.parse(text) : [];
		return Array.isArray(stacks) ? stacks as string[] : [];
	} catch {
		return [];
	}
}
