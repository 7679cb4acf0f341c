// Puts one message in the queue for each entity and third party: all of them or none, in one round trip.
import { InjectQueue } from '@nestjs/bullmq';
import { Injectable } from '@nestjs/common';
import type { Queue } from 'bullmq';
import { randomUUID } from 'node:crypto';
import { WEBHOOK_QUEUE } from '../queues';
import type { Answer, Message } from './message';
import { ThirdParties } from './third-parties';

@Injectable()
export class WebhooksService {
	constructor(@InjectQueue(WEBHOOK_QUEUE) private readonly queue: Queue<Message, Answer>, private readonly thirdParties: ThirdParties) {}

	async announce(entityType: string, entities: readonly { entityId: string; payload: unknown }[]): Promise<string[]> {
		const parties = await this.thirdParties.all(entityType);
		const jobs = entities.flatMap((entity) => parties.map(({ ref }) => ({
			name: entityType,
			data: { thirdParty: ref, entityType, ...entity },
			opts: { jobId: randomUUID() },
		})));
		if (jobs.length > 0)
			await this.queue.addBulk(jobs);
		return jobs.map(({ opts }) => opts.jobId);
	}
}
