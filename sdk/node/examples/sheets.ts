// examples/sheets.ts: a backend that tells a partner about its sheets, and the worker that does it. `ruche dev` in one terminal; in another:
//
//     npx tsc examples/sheets.ts … && node sheets.js          (RUCHE_URL, RUCHE_TOKEN say where and who)
//
// It shows what a real one needs: a typed queue with its policy, ids that make repeats harmless, groups so that a slow partner delays nobody else,
// and a worker that heeds its signal.
import { NonRetryableError, RetryAfterError, Ruche, type JobContext, type Job } from 'ruche';

interface Sheet { readonly sheet: number; readonly partner: string; readonly action: string }
interface Told { readonly status: number }

const ruche = new Ruche();
const sheets = ruche.queue<Sheet, Told>('sheets-to-tell');

await sheets.configure({
	retry: { kind: 'exponential', delayMs: 1_000, factor: 3, maxAttempts: 8 },
	groupConcurrency: 2,
	timeoutMs: 30_000,
});

/** The partner's API; here it is always well. */
async function tell(sheet: Sheet, signal: AbortSignal): Promise<{ status: number; retryAfterMs?: number }> {
	signal.throwIfAborted();
	return Promise.resolve({ status: sheet.action ? 200 : 400 });
}

async function handle({ payload }: Job<Sheet>, { signal, log }: JobContext): Promise<Told> {
	const answer = await tell(payload, signal);
	log(`${payload.partner} answered ${answer.status}`);
	if (answer.status === 429)
		throw new RetryAfterError(answer.retryAfterMs ?? 60_000);
	if (answer.status >= 400 && answer.status < 500)
		throw new NonRetryableError(`${payload.partner} will never take sheet ${payload.sheet}: ${answer.status}`);
	if (answer.status >= 500)
		throw new Error(`${payload.partner} answered ${answer.status}`);
	return { status: answer.status };
}

const worker = ruche.worker(sheets, handle, { concurrency: 10 });

// The id says what the job is about: a producer that is not sure says it again, and nothing is told twice.
const job = await sheets.enqueue({ sheet: 417, partner: 'town-hall', action: 'Couvrir le lavoir' }, { id: 'sheet-417:v1', group: 'town-hall' });
console.log(await job.result({ timeoutMs: 20_000 }));

await worker.close();
await ruche.close();
