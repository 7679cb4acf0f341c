// The back end: saves sheets and announces them. It adds jobs and works on none.
import './instrument';
import { BullModule } from '@nestjs/bullmq';
import { Logger, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { SentryModule } from '@sentry/nestjs/setup';
import { connection } from './backend';
import { WEBHOOK_QUEUE, webhookJobOptions } from './queues';
import { settings } from './settings';
import { SheetsController } from './sheets/sheets.controller';
import { SheetsService } from './sheets/sheets.service';
import { ThirdParties } from './webhooks/third-parties';
import { WebhooksService } from './webhooks/webhooks.service';

@Module({
	imports: [
		SentryModule.forRoot(),
		BullModule.forRoot({ connection }),
		BullModule.registerQueue({ name: WEBHOOK_QUEUE, defaultJobOptions: webhookJobOptions }),
	],
	controllers: [SheetsController],
	providers: [SheetsService, WebhooksService, ThirdParties],
})
class ApiModule {}

async function main(): Promise<void> {
	const app = await NestFactory.create<NestExpressApplication>(ApiModule);
	app.enableShutdownHooks();
	app.useBodyParser('json', { limit: '10mb' });
	await app.listen(settings.apiPort, '127.0.0.1');
	Logger.log(`sheets are saved at ${await app.getUrl()}/sheets`, 'Api');
}

void main();
