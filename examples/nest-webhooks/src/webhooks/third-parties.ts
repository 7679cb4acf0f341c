// Who wants to be told of what. The file is read anew each time, so that a third party is added or mended without a restart.
import { Injectable } from '@nestjs/common';
import { readFile } from 'node:fs/promises';
import { settings } from '../settings';

export interface ThirdParty {
	readonly ref: string;
	readonly entityType: string;
	readonly url: string;
	readonly format: string;
	readonly authentication: 'none' | 'basic' | 'bearer';
	/** The name of an environment variable; for `basic` it holds `user:password`. */
	readonly secret?: string;
}

@Injectable()
export class ThirdParties {
	async all(entityType: string): Promise<ThirdParty[]> {
		const all = JSON.parse(await readFile(settings.thirdPartiesFile, 'utf8')) as ThirdParty[];
		return all.filter((party) => party.entityType === entityType);
	}

	async find(entityType: string, ref: string): Promise<ThirdParty> {
		const party = (await this.all(entityType)).find((each) => each.ref === ref);
		if (!party)
			throw new Error(`no third party '${ref}' wants entities of type '${entityType}': is it in ${settings.thirdPartiesFile}?`);
		return party;
	}

	headers({ ref, authentication, secret }: ThirdParty): Record<string, string> {
		if (authentication === 'none')
			return {};
		const value = secret && process.env[secret];
		if (!value)
			throw new Error(`third party '${ref}': its secret '${secret ?? ''}' is not in the environment`);
		return { authorization: authentication === 'bearer' ? `Bearer ${value}` : `Basic ${Buffer.from(value).toString('base64')}` };
	}
}
