// Standard Schema (https://standardschema.dev), version 1: the interface that zod, valibot, arktype and others share. The type is our own
// spelling of the specification, so that nothing has to be installed.
import { InvalidPayloadError } from './errors.js';

/** Any schema that follows Standard Schema v1. */
export interface Schema<Input = unknown, Output = Input> {
	readonly '~standard': {
		readonly version: 1;
		readonly vendor: string;
		readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
		readonly types?: { readonly input: Input; readonly output: Output } | undefined;
	};
}

export type SchemaResult<Output> =
	| { readonly value: Output; readonly issues?: undefined }
	| { readonly issues: readonly SchemaIssue[] };

/** One thing that does not fit. */
export interface SchemaIssue {
	readonly message: string;
	readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** What goes in: what a producer gives to `enqueue`. */
export type SchemaInput<S extends Schema> = NonNullable<S['~standard']['types']>['input'];

/** What comes out: what a handler gets. */
export type SchemaOutput<S extends Schema> = NonNullable<S['~standard']['types']>['output'];

/** The value that the schema makes of `value`. Throws InvalidPayloadError. @internal */
export async function validated<Output>(schema: Schema<any, Output>, value: unknown, queue: string): Promise<Output> {
	const result = await schema['~standard'].validate(value);
	if (result.issues)
		throw new InvalidPayloadError(queue, result.issues, result.issues.map(place));
	return result.value;
}

function place(issue: SchemaIssue): string {
	return (issue.path ?? []).map((step) => String(typeof step === 'object' ? step.key : step)).join('.');
}
