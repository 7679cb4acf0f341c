// The tools: workers, clocks and the board.
import './instrument';
import { BullModule } from '@nestjs/bullmq';
import { Logger, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ScheduleModule } from '@nestjs/schedule';
import { SentryModule } from '@sentry/nestjs/setup';
import { connection } from './backend';
import { BoardModule } from './board/board.module';
import { CronProcessor } from './cron/cron.processor';
import { CronService } from './cron/cron.service';
import { CRON_QUEUE, cronJobOptions, WEBHOOK_QUEUE, webhookJobOptions } from './queues';
import { settings } from './settings';
import { ThirdParties } from './webhooks/third-parties';
import { WebhooksProcessor } from './webhooks/webhooks.processor';

@Module({
	imports: [
		SentryModule.forRoot(),
		ScheduleModule.forRoot(),
		BullModule.forRoot({ connection }),
		BullModule.registerQueue(
			{ name: WEBHOOK_QUEUE, defaultJobOptions: webhookJobOptions },
			{ name: CRON_QUEUE, defaultJobOptions: cronJobOptions },
		),
		BoardModule,
	],
	providers: [ThirdParties, WebhooksProcessor, CronService, CronProcessor],
})
class ToolsModule {}

async function main(): Promise<void> {
	const app = await NestFactory.create(ToolsModule);
	app.enableShutdownHooks();
	await app.listen(settings.toolsPort, '127.0.0.1');
	Logger.log(`the board is at ${await app.getUrl()}/queues`, 'Tools');
}

void main();
