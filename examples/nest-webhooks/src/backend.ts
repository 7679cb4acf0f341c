// Where the jobs live. The line with createRucheBackend is all that Ruche changes in this application.
import { setDefaultBackendFactory } from 'bullmq';
import { createRucheBackend } from '@ruche/bullmq';
import { settings } from './settings';

export const connection = { url: settings.queueUrl };

if (!settings.queueUrl.startsWith('redis'))
	setDefaultBackendFactory(createRucheBackend); // before Nest builds the first Queue or Worker
