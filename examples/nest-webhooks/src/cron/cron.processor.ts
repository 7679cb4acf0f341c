// Does what the clock asks for.
import { Processor } from '@nestjs/bullmq';
import { UnrecoverableError, type Job } from 'bullmq';
import { ReportingWorker } from '../final-failures';
import { CRON_QUEUE, workerOptions } from '../queues';
import { CRON_JOBS } from './cron-jobs';

@Processor(CRON_QUEUE, workerOptions)
export class CronProcessor extends ReportingWorker {
	async process(job: Job): Promise<string> {
		if (!CRON_JOBS.some(({ name }) => name === job.name))
			throw new UnrecoverableError(`nobody knows the cron job '${job.name}'`);
		await job.updateProgress(100); // an application has its synchronisations here
		return `${job.name} done`;
	}
}
