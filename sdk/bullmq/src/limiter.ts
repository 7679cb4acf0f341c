// What a worker knows of its queue's rate, as its claims say it.

interface Options {
	readonly limiter?: { max: number; duration: number };
}

const DURATION_MAX_MS = 315_360_000_000, MAX = 4_294_967_295;

export function limiterOf({ limiter }: Options): { limiter?: { max: number; per_ms: number } } {
	const max = Math.trunc(Number(limiter?.max));
	if (!limiter || !(max >= 1))
		return {};
	const span = Math.trunc(Math.abs(Number(limiter.duration)));
	return { limiter: { max: Math.min(max, MAX), per_ms: Math.min(Math.max(1, span || 1), DURATION_MAX_MS) } };
}
