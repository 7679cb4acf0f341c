// Where modules are found: `bullmq` is `bullmq-6.0`.
type Resolve = (name: string, context: object) => Promise<{ url: string }>;

export function resolve(name: string, context: object, next: Resolve): Promise<{ url: string }> {
	return next(name === 'bullmq' ? 'bullmq-6.0' : name, context);
}
