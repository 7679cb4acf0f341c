// The board alone: bull-board through Express, for those who have no Nest.
import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { ExpressAdapter } from '@bull-board/express';
import { Queue } from 'bullmq';
import express from 'express';
import basicAuth from 'express-basic-auth';
import { connection } from './backend';
import { CRON_QUEUE, WEBHOOK_QUEUE } from './queues';
import { settings } from './settings';

const PATH = '/queues';
const serverAdapter = new ExpressAdapter();
serverAdapter.setBasePath(PATH);
createBullBoard({
	queues: [WEBHOOK_QUEUE, CRON_QUEUE].map((name) => new BullMQAdapter(new Queue(name, { connection }))),
	serverAdapter,
	options: { uiConfig: { showMetrics: true } },
});
const app = express();
app.use(PATH, basicAuth({ challenge: true, users: { admin: settings.boardPassword } }), serverAdapter.getRouter());
app.listen(settings.boardPort, '127.0.0.1', () => console.log(`the board is at http://127.0.0.1:${settings.boardPort}${PATH}`));
