// The queues' names, and what holds for every job of each.
import { MetricsTime, type DefaultJobOptions, type WorkerOptions } from 'bullmq';
import { settings } from './settings';

export const WEBHOOK_QUEUE = 'webhook-notifications';
export const CRON_QUEUE = 'cron-jobs';

export const webhookJobOptions: DefaultJobOptions = {
	attempts: settings.webhookAttempts,
	backoff: { type: 'exponential', delay: settings.webhookBackoffMs },
	removeOnComplete: 1000,
};

export const cronJobOptions: DefaultJobOptions = {
	attempts: 10,
	backoff: { type: 'exponential', delay: 1000 },
	removeOnComplete: 100,
};

/** A worker that dies leaves its jobs locked for so long; then another takes them over. That is not the jobs' fault, so they may live through a few such deaths. */
export const workerOptions: Omit<WorkerOptions, 'connection'> = {
	lockDuration: settings.lockMs,
	stalledInterval: settings.lockMs,
	maxStalledCount: 5,
	metrics: { maxDataPoints: MetricsTime.ONE_WEEK },
};
