// A job that has failed for good is told to Sentry, once; a failed attempt that will be repeated is only logged.
import { Logger } from '@nestjs/common';
import { OnWorkerEvent, WorkerHost } from '@nestjs/bullmq';
import { captureException } from '@sentry/nestjs';
import type { Job } from 'bullmq';

/** What Sentry shows; the error of the last attempt is its cause. */
export class JobFailed extends Error {
	override readonly name = 'JobFailed';
}

/** Processors of this application extend it. */
export abstract class ReportingWorker extends WorkerHost {
	protected readonly logger = new Logger(this.constructor.name);

	@OnWorkerEvent('failed')
	failed(job: Job | undefined, error: Error): void {
		if (!job) // it was removed meanwhile
			return;
		const attempts = `attempt ${job.attemptsMade} of ${job.opts.attempts ?? 1}`;
		if (job.finishedOn === undefined) { // BullMQ says `failed` at each attempt; only the last ends the job
			this.logger.warn(`${job.name} ${job.id}: ${error.message} (${attempts}, will be repeated)`);
			return;
		}
		this.logger.error(`${job.name} ${job.id}: ${error.message} (${attempts}, the last)`);
		captureException(new JobFailed(`${job.queueName}: ${job.name} failed for good`, { cause: error }), {
			tags: { queue: job.queueName, job_name: job.name, job_id: job.id, attempts_made: job.attemptsMade, attempts: job.opts.attempts ?? 1 },
			fingerprint: [job.queueName, job.name, error.name],
		});
	}

	/** The daemon is away, say. The worker waits for it and goes on by itself; there is nothing to do but to know. */
	@OnWorkerEvent('error')
	troubled(error: Error): void {
		this.logger.warn(error.message);
	}
}
