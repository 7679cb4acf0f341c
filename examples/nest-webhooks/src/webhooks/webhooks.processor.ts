// Tells a third party, once for each attempt. What is thrown here is retried, unless it says that it is of no use.
import { Processor } from '@nestjs/bullmq';
import { UnrecoverableError, type Job } from 'bullmq';
import { ReportingWorker } from '../final-failures';
import { WEBHOOK_QUEUE, workerOptions } from '../queues';
import { formatted } from './formats';
import type { Answer, Message } from './message';
import { ThirdParties } from './third-parties';

const TIMEOUT_MS = 30_000;

@Processor(WEBHOOK_QUEUE, { concurrency: 20, ...workerOptions })
export class WebhooksProcessor extends ReportingWorker {
	constructor(private readonly thirdParties: ThirdParties) {
		super();
	}

	async process(job: Job<Message, Answer>): Promise<Answer> {
		const { thirdParty, entityType, payload } = job.data;
		const party = await this.thirdParties.find(entityType, thirdParty);
		const body = formatted(party.format, payload);
		if (body === undefined)
			return { outcome: 'filtered' };
		const response = await fetch(party.url, {
			method: 'POST',
			headers: { 'content-type': 'application/json', 'idempotency-key': job.id!, ...this.thirdParties.headers(party) },
			body: JSON.stringify(body),
			signal: AbortSignal.timeout(TIMEOUT_MS),
		}).catch((error: Error) => {
			throw new Error(`${thirdParty} cannot be reached: ${(error.cause as Error | undefined)?.message ?? error.message}`, { cause: error });
		});
		const text = await response.text();
		await job.log(`attempt ${job.attemptsStarted}: ${response.status} ${text.slice(0, 200)}`);
		if (response.status === 410)
			throw new UnrecoverableError(`${thirdParty} answered 410: it wants no more of these`);
		if (!response.ok)
			throw new Error(`${thirdParty} answered ${response.status}: ${text.slice(0, 200)}`);
		return { outcome: 'told', ...externalId(text) };
	}
}

function externalId(text: string): { externalId?: string } {
	try {
		const { id } = JSON.parse(text) as { id?: unknown };
		return id === undefined ? {} : { externalId: String(id) };
	} catch { // it need not answer JSON
		return {};
	}
}
