// How far it is: a bar on a terminal, a line now and then elsewhere.
import type { WriteStream } from 'node:tty';

const WIDTH = 30, LINES = 10, REDRAW_MS = 100;

export class Progress {
	readonly #out: NodeJS.WritableStream;
	readonly #bar: boolean;
	#label = '';
	#total = 0;
	#done = 0;
	#told = 0;
	#drawnAt = 0;

	constructor(out: NodeJS.WritableStream, quiet: boolean) {
		this.#out = quiet ? { write: () => true } as unknown as NodeJS.WritableStream : out;
		this.#bar = !quiet && Boolean((out as WriteStream).isTTY);
	}

	say(line: string): void {
		this.#out.write(`${this.#bar ? '\r\x1b[K' : ''}${line}\n`);
	}

	start(label: string, total: number): void {
		this.#label = label;
		this.#total = total;
		this.#done = this.#told = this.#drawnAt = 0;
	}

	advance(count: number): void {
		this.#done += count;
		const part = this.#total ? Math.min(1, this.#done / this.#total) : 1;
		if (this.#bar) {
			const now = performance.now();
			if (part < 1 && now - this.#drawnAt < REDRAW_MS)
				return;
			this.#drawnAt = now;
			const full = Math.round(part * WIDTH);
			this.#out.write(`\r\x1b[K${this.#label} [${'#'.repeat(full)}${'.'.repeat(WIDTH - full)}] ${this.#done} of ${this.#total}`);
		} else if (Math.floor(part * LINES) > this.#told) {
			this.#told = Math.floor(part * LINES);
			this.#out.write(`${this.#label}: ${this.#done} of ${this.#total}\n`);
		}
	}

	end(): void {
		if (this.#bar && this.#total)
			this.#out.write('\r\x1b[K');
	}
}
