// Keeps sheets, and tells third parties of each that is saved.
import { Injectable } from '@nestjs/common';
import { WebhooksService } from '../webhooks/webhooks.service';
import type { Sheet } from './sheet';

@Injectable()
export class SheetsService {
	private readonly sheets = new Map<number, Sheet>(); // an application has its database here

	constructor(private readonly webhooks: WebhooksService) {}

	/** Answers the ids of the messages: when it answers, they are on disk. */
	async save(sheets: readonly Sheet[]): Promise<string[]> {
		for (const sheet of sheets)
			this.sheets.set(sheet.id, sheet);
		return this.webhooks.announce('sheet', sheets.map((sheet) => ({ entityId: String(sheet.id), payload: sheet })));
	}
}
