// An action sheet: what a local authority does for its environment, as the application knows it.
export interface Sheet {
	readonly id: number;
	readonly title?: string;
	/** Restricted sheets are nobody else's business. */
	readonly restricted?: boolean;
	readonly owner: Owner;
	readonly budget?: string;
	/** As PostgreSQL writes it: `2026-11-25 18:00:00+01`. */
	readonly startsAt?: string;
	readonly referents?: readonly string[];
	readonly plans?: readonly { readonly id: number; readonly name: string }[];
	readonly parentId?: number;
}

export interface Owner {
	readonly name: string;
	readonly kind: 'commune' | 'epci';
	/** Of an EPCI. */
	readonly nature?: string;
	readonly insee?: string;
	readonly siren?: string;
}
