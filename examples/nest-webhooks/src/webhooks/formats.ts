// What a third party gets to see of an entity. `undefined`: nothing to send.
import { UnrecoverableError } from 'bullmq';
import type { Owner, Sheet } from '../sheets/sheet';

type Format = (payload: never) => unknown;

const formats: Readonly<Record<string, Format>> = {
	default: (payload: unknown) => payload,
	communs: communs,
};

const NATURES = ['METRO', 'CU', 'CA', 'CC'];

function isConcerned(owner: Owner): boolean {
	return owner.kind === 'commune' || NATURES.includes(owner.nature ?? '');
}

function communs(sheet: Sheet): object | undefined {
	if (sheet.restricted || !isConcerned(sheet.owner))
		return undefined;
	return {
		externalId: String(sheet.id),
		nom: sheet.title || 'Sans titre',
		collectivite: { type: sheet.owner.kind, code: sheet.owner.kind === 'commune' ? sheet.owner.insee : sheet.owner.siren },
		budgetPrevisionnel: sheet.budget ? Number(sheet.budget) : undefined,
		dateDebut: sheet.startsAt && new Date(sheet.startsAt).toISOString(),
		phase: 'Opération',
		porteur: sheet.referents?.[0],
		plans: sheet.plans?.map(({ id, name }) => ({ externalId: String(id), nom: name })) ?? [],
		parentExternalId: sheet.parentId === undefined ? undefined : String(sheet.parentId),
	};
}

export function formatted(name: string, payload: unknown): unknown {
	const format = formats[name];
	if (!format)
		throw new UnrecoverableError(`no format '${name}'; there are ${Object.keys(formats).join(', ')}`);
	return format(payload as never);
}
