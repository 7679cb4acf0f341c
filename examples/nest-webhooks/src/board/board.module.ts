// bull-board at /queues, behind a password.
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { ExpressAdapter } from '@bull-board/express';
import { BullBoardModule } from '@bull-board/nestjs';
import { Module } from '@nestjs/common';
import basicAuth from 'express-basic-auth';
import { CRON_QUEUE, WEBHOOK_QUEUE } from '../queues';
import { settings } from '../settings';

if (!settings.boardPassword)
	throw new Error('BOARD_PASSWORD is not set: the board can retry and delete jobs, so it is not shown without one');

@Module({
	imports: [
		BullBoardModule.forRoot({
			route: '/queues',
			adapter: ExpressAdapter,
			boardOptions: { uiConfig: { showMetrics: true } },
			middleware: basicAuth({ challenge: true, users: { admin: settings.boardPassword } }),
		}),
		BullBoardModule.forFeature(...[WEBHOOK_QUEUE, CRON_QUEUE].map((name) => ({ name, adapter: BullMQAdapter }))),
	],
})
export class BoardModule {}
