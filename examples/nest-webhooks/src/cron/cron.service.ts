// Starts the clocks that this environment wants (ENABLE_CRON_JOBS, CRON_JOBS_FILTER).
import { InjectQueue } from '@nestjs/bullmq';
import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { SchedulerRegistry } from '@nestjs/schedule';
import type { Queue } from 'bullmq';
import { CronJob } from 'cron';
import { CRON_QUEUE } from '../queues';
import { settings } from '../settings';
import { CRON_JOBS, type CronJobOf } from './cron-jobs';

@Injectable()
export class CronService implements OnApplicationBootstrap {
	private readonly logger = new Logger(CronService.name);

	constructor(private readonly registry: SchedulerRegistry, @InjectQueue(CRON_QUEUE) private readonly queue: Queue) {}

	onApplicationBootstrap(): void {
		if (!settings.enableCronJobs)
			return;
		const wanted = settings.cronJobsFilter;
		for (const job of CRON_JOBS.filter(({ name }) => wanted.length === 0 || wanted.includes(name))) {
			this.registry.addCronJob(job.name, CronJob.from({ cronTime: job.pattern, onTick: () => this.tick(job), timeZone: 'Europe/Paris', start: true }));
			this.logger.log(`${job.name}: ${job.pattern}`);
		}
	}

	/** The id is the minute: several replicas tick, one job is added. */
	async tick({ name, attempts }: CronJobOf): Promise<void> {
		const minute = new Date().toISOString().slice(0, 16).replace(':', 'h');
		try {
			await this.queue.add(name, {}, { jobId: `${name}-${minute}`, ...(attempts ? { attempts } : {}) });
		} catch (error) {
			this.logger.error(`${name}: this tick is lost: ${(error as Error).message}`);
		}
	}
}
