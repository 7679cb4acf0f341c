// What an error is, told by a mark instead of its class: a program may hold two copies of this package (ESM and CommonJS, or two versions),
// and an error thrown through one must be known to the other.

const KIND = Symbol.for('ruche.error.kind');

/** Marks every instance of an error class, so that `instanceof` and the worker know it across copies of the package. @internal */
export function brand(kind: string, constructor: { prototype: object }): void {
	Object.defineProperty(constructor.prototype, KIND, { value: kind });
	Object.defineProperty(constructor, Symbol.hasInstance, {
		value(this: { prototype: object }, candidate: unknown): boolean {
			if (typeof candidate !== 'object' || candidate === null)
				return false;
			if (Object.prototype.isPrototypeOf.call(this.prototype, candidate))
				return true;
			// A foreign copy's error: of this very kind, if `this` is the branded class itself and not a class made from it.
			return this === constructor && kinds(candidate).includes(kind);
		},
	});
}

/** The kinds of an error, from its own class up to the base. */
function kinds(error: object): string[] {
	const found: string[] = [];
	for (let prototype: object | null = error; prototype; prototype = Object.getPrototypeOf(prototype) as object | null) {
		const kind = Object.getOwnPropertyDescriptor(prototype, KIND)?.value as string | undefined;
		if (kind)
			found.push(kind);
	}
	return found;
}
