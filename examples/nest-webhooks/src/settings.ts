// What the environment says; without a word of it, the application runs on one's own machine beside `ruche dev`.
const { env } = process;

function count(name: string, usual: number): number {
	const value = env[name] === undefined ? usual : Number(env[name]);
	if (!Number.isInteger(value) || value < 0)
		throw new Error(`${name}: expected a whole number, 0 or more; got '${env[name]}'`);
	return value;
}

function yes(name: string): boolean {
	return ['1', 'true', 'yes'].includes((env[name] ?? '').toLowerCase());
}

function list(name: string): string[] {
	return (env[name] ?? '').split(',').map((word) => word.trim()).filter(Boolean);
}

export const settings = {
	/** `http://TOKEN@host:8420` or `unix:/run/ruche.sock` is Ruche, `redis://host:6379` is Redis. */
	queueUrl: env['QUEUE_URL'] ?? 'http://127.0.0.1:8420',
	apiPort: count('API_PORT', 3000),
	toolsPort: count('TOOLS_PORT', 3001),
	boardPort: count('BOARD_PORT', 3002),
	boardPassword: env['BOARD_PASSWORD'] ?? '',
	/** A JSON file, read again at each attempt: mend it, press retry, done. */
	thirdPartiesFile: env['THIRD_PARTIES_FILE'] ?? 'third-parties.json',
	webhookAttempts: count('WEBHOOK_ATTEMPTS', 10),
	webhookBackoffMs: count('WEBHOOK_BACKOFF_MS', 1000),
	lockMs: count('LOCK_MS', 30_000),
	enableCronJobs: yes('ENABLE_CRON_JOBS'),
	notifyPattern: env['NOTIFY_PATTERN'] ?? '*/1 * * * *',
	/** Names to keep; none: all. */
	cronJobsFilter: list('CRON_JOBS_FILTER'),
};
