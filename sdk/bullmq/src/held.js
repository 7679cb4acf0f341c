const KNOWN_MAX = 10_000;
export class Held {
    #known = new Map();
    learn(id, uid) {
        this.#put(id, { uid });
    }
    take(grant, job) {
        const { stackTraceLimit } = job.opts;
        this.#put(grant.id, { uid: grant.uid, fence: grant.fence, stacks: stacksOf(job.stacktrace).length, stackLimit: stackTraceLimit });
    }
    forget(id) {
        this.#known.delete(String(id));
    }
    uid(id) {
        return this.#known.get(String(id))?.uid;
    }
    fence(id) {
        return this.#known.get(String(id))?.fence;
    }
    /** The attempt's error out of BullMQ's fields, which hold the stacks of all attempts: its own is the last, if it had one. */
    error(id, fields) {
        const message = String(fields['failedReason'] ?? '');
        const stacks = stacksOf(fields['stacktrace']);
        const known = this.#known.get(String(id));
        const before = known?.stacks ?? 0;
        const full = known?.stackLimit !== undefined && stacks.length >= known.stackLimit;
        const own = stacks.length > before || full ? stacks.at(-1) : undefined;
        return { message, ...(own ? { stack: own } : {}) };
    }
    /** The oldest are forgotten: they are then named by queue and id. */
    #put(id, known) {
        this.#known.delete(id);
        this.#known.set(id, known);
        if (this.#known.size > KNOWN_MAX)
            this.#known.delete(this.#known.keys().next().value);
    }
}
function stacksOf(text) {
    try {
        const stacks = typeof text === 'string' ? JSON.parse(text) : [];
        return Array.isArray(stacks) ? stacks : [];
    }
    catch {
        return [];
    }
}
