// A message: one entity, for one third party. It is the job's data; the job's id is the message's, over all attempts and repeats.
export interface Message {
	readonly thirdParty: string;
	readonly entityType: string;
	readonly entityId: string;
	readonly payload: unknown;
}

export interface Answer {
	readonly outcome: 'told' | 'filtered';
	/** The entity's id at the third party, if it said one. */
	readonly externalId?: string;
}
