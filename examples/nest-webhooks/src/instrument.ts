// Sentry, before anything that it instruments is loaded. Without SENTRY_DSN it is silent.
import * as Sentry from '@sentry/nestjs';

// @sentry/nestjs wraps each @Processor and reports every failed attempt. Ten attempts would be ten reports: we send one ourselves, when a job has failed for
// good (final-failures.ts).
const EVERY_ATTEMPT = 'auto.queue.nestjs.bullmq';

Sentry.init({
	dsn: process.env['SENTRY_DSN'],
	beforeSend: (event) => (event.exception?.values?.some(({ mechanism }) => mechanism?.type === EVERY_ATTEMPT) ? null : event),
});
