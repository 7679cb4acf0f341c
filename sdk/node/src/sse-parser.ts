// Server-sent events, as https://html.spec.whatwg.org/multipage/server-sent-events.html writes them, in pieces of any size.

/** @internal */
export interface SseMessage {
	readonly id: string;
	readonly event: string;
	readonly data: string;
}

/** @internal */
export class SseParser {
	#rest = '';
	#id = '';
	#event = '';
	#data: string[] = [];

	/** The messages that `text` completes. */
	push(text: string): SseMessage[] {
		const messages: SseMessage[] = [];
		const lines = (this.#rest + text).split('\n');
		this.#rest = lines.pop()!;
		for (const line of lines)
			this.#line(line.endsWith('\r') ? line.slice(0, -1) : line, messages);
		return messages;
	}

	#line(line: string, messages: SseMessage[]): void {
		if (line === '') {
			if (this.#data.length)
				messages.push({ id: this.#id, event: this.#event || 'message', data: this.#data.join('\n') });
			this.#event = '';
			this.#data = [];
			return;
		}
		const colon = line.indexOf(':');
		const field = colon < 0 ? line : line.slice(0, colon);
		const value = colon < 0 ? '' : line.slice(colon + (line[colon + 1] === ' ' ? 2 : 1));
		if (field === 'data')
			this.#data.push(value);
		else if (field === 'event')
			this.#event = value;
		else if (field === 'id')
			this.#id = value; // stays for the messages that follow
	}
}
