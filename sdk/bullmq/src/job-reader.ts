// Looking at jobs: all look-ups of one tick are one request. BullMQ lists ids and then asks for each job by itself.
import type { Coalescer } from './coalescer.js';
import { RucheError } from './errors.js';
import { queryText, type Link } from './link.js';
import { nextTurn } from './timers.js';
import type { WireJob } from './wire.js';

const JOBS_MAX = 1_000; // of one request
const WHOLE = ['payload', 'result', 'progress', 'errors', 'parents'];

interface Look {
	readonly id: string;
	readonly whole: boolean;
	readonly resolve: (job: WireJob | null) => void;
	readonly reject: (error: Error) => void;
}

export class JobReader {
	readonly #link: Link;
	readonly #coalescer: Coalescer;
	readonly #path: string;
	#looks: Look[] = [];

	constructor(link: Link, coalescer: Coalescer, namespace: string, queue: string) {
		this.#link = link;
		this.#coalescer = coalescer;
		this.#path = `/v1/queues/${encodeURIComponent(queue)}/jobs/read${queryText({ namespace })}`;
	}

	/** The job, or null. `whole`: with its payload, result and errors, not only its state. */
	read(id: string, whole: boolean): Promise<WireJob | null> {
		return new Promise((resolve, reject) => {
			this.#looks.push({ id, whole, resolve, reject });
			if (this.#looks.length === 1)
				nextTurn(() => void this.#flush());
		});
	}

	async #flush(): Promise<void> {
		const looks = this.#looks.splice(0);
		try {
			await this.#link.ready();
			await this.#coalescer.settled();
		} catch (error) {
			for (const look of looks)
				look.reject(error as Error);
			return;
		}
		for (const whole of [true, false]) {
			const wanted = looks.filter((look) => look.whole === whole);
			for (let at = 0; at < wanted.length; at += JOBS_MAX)
				void this.#ask(wanted.slice(at, at + JOBS_MAX), whole);
		}
	}

	async #ask(looks: Look[], whole: boolean): Promise<void> {
		const body = JSON.stringify({ ids: looks.map((look) => look.id), parts: whole ? WHOLE : [] });
		try {
			const { jobs } = await this.#link.call<{ jobs: (WireJob | null)[] }>('POST', this.#path, { body });
			looks.forEach((look, i) => look.resolve(jobs[i] ?? null));
		} catch (error) {
			const nothing = error instanceof RucheError && error.code === 'queue_not_found';
			for (const look of looks)
				if (nothing)
					look.resolve(null);
				else
					look.reject(error as Error);
		}
	}
}

