import { Body, Controller, Param, ParseIntPipe, Post, Put } from '@nestjs/common';
import type { Sheet } from './sheet';
import { SheetsService } from './sheets.service';

@Controller('sheets')
export class SheetsController {
	constructor(private readonly sheets: SheetsService) {}

	@Put(':id')
	async save(@Param('id', ParseIntPipe) id: number, @Body() sheet: Omit<Sheet, 'id'>): Promise<{ messages: string[] }> {
		return { messages: await this.sheets.save([{ ...sheet, id }]) };
	}

	/** A plan is imported: hundreds of sheets, one round trip. */
	@Post()
	async import(@Body() sheets: Sheet[]): Promise<{ messages: string[] }> {
		return { messages: await this.sheets.save(sheets) };
	}
}
