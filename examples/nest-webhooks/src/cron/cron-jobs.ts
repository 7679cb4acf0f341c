// What runs by the clock. A tick only puts a job in the queue: what it does, and how often it is tried, is a worker's matter.
import { settings } from '../settings';

export interface CronJobOf {
	readonly name: string;
	readonly pattern: string;
	readonly attempts?: number;
}

export const CRON_JOBS: readonly CronJobOf[] = [
	{ name: 'send-notifications', pattern: settings.notifyPattern },
	{ name: 'calendly-synchro', pattern: '0 0-23/1 * * *' },
	{ name: 'connect-synchro', pattern: '0 01 * * *' },
	{ name: 'crm-plans-sync', pattern: '30 06 * * *', attempts: 3 },
];
