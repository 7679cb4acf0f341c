/* bench/format_bench.c: how many jq programs a second the pool runs over one payload, with two helpers and 64 jobs asked for at a time.
 *
 *     format_bench RUCHE_JQ PAYLOAD_FILE [JOBS] */
#include "base/buf.h"
#include "base/check.h"
#include "base/clock.h"
#include "format/pool.h"
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#define AT_ONCE      64u
#define WARM_JOBS    500u
#define INPUT_BYTES  (1u << 20)
#define PROGRAM                                                                                                              \
	".payload.fiche | {externalId: .reference, nom: (.titre // \"Sans titre\"), statut, porteur: .origine.auteur.nom,"   \
	" budget: (.analyse.risques.cout_estime_eur | if type == \"number\" then . else empty end),"                         \
	" actions: [.actions[] | {numero, libelle, etat, responsable, echeance}], suivi: (.suivi | length)}"

struct bench {
	sem_t room;
	_Atomic uint64_t failed, program_us, bytes;
};

static void take(void *context, const struct format_outcome *outcome)
{
	struct bench *bench = context;
	if (outcome->end != FORMAT_VALUE)
		atomic_fetch_add(&bench->failed, 1);
	atomic_fetch_add(&bench->program_us, (uint64_t)outcome->us);
	atomic_store(&bench->bytes, outcome->text.len);
	sem_post(&bench->room);
}

static void run(struct format_pool *pool, struct bench *bench, struct str input, uint64_t jobs)
{
	for (uint64_t i = 0; i < jobs; i++) {
		struct format_job job = { .program = STR(PROGRAM), .input = input, .done = take, .context = bench };
		uint64_t ticket;
		while (sem_wait(&bench->room))
			;
		enum err err = format_run(pool, &job, &ticket);
		CHECK(!err);
	}
	for (uint32_t i = 0; i < AT_ONCE; i++) {
		while (sem_wait(&bench->room))
			;
	}
	for (uint32_t i = 0; i < AT_ONCE; i++)
		sem_post(&bench->room);
}

static double seconds_of(struct timeval time)
{
	return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

int main(int argc, char **argv)
{
	struct format_pool_config config = { .helpers = 2, .cpu_ms = 1000, .wall_ms = 2000, .idle_ms = 60000 };
	struct bench bench = { 0 };
	struct problem problem;
	struct format_pool *pool;
	struct buf input;
	uint64_t jobs = 20000;
	if (argc < 3 || argc > 4 || (argc == 4 && (!str_u64(str_of(argv[3]), &jobs) || !jobs))) {
		fputs("usage: format_bench RUCHE_JQ PAYLOAD_FILE [JOBS]\n", stderr);
		return 64;
	}
	buf_init(&input, INPUT_BYTES);
	buf_add(&input, STR("{\"message\":{\"id\":\"msg_1\",\"type\":\"fiche.updated\"},\"endpoint\":{\"name\":\"crm\"},\"attempt\":1,\"payload\":"));
	FILE *file = fopen(argv[2], "re");
	char *space = file ? buf_reserve(&input, INPUT_BYTES / 2) : NULL;
	size_t payload_bytes = space ? fread(space, 1, INPUT_BYTES / 2, file) : 0;
	if (!payload_bytes) {
		fprintf(stderr, "format_bench: %s cannot be read\n", argv[2]);
		return 66;
	}
	fclose(file);
	input.len += payload_bytes;
	buf_add_byte(&input, '}');
	config.helper = argv[1];
	sem_init(&bench.room, 0, AT_ONCE);
	if (format_pool_start(&config, &pool, &problem)) {
		fprintf(stderr, "format_bench: %s\n", problem.detail);
		return 70;
	}
	run(pool, &bench, buf_str(&input), WARM_JOBS);
	atomic_store(&bench.program_us, 0);
	int64_t begun_us = clock_mono_us();
	run(pool, &bench, buf_str(&input), jobs);
	double seconds = (double)(clock_mono_us() - begun_us) / 1e6;
	format_pool_stop(pool);
	struct rusage own, helpers;
	getrusage(RUSAGE_SELF, &own);
	getrusage(RUSAGE_CHILDREN, &helpers);
	printf("formats: %.0f programs/s (%llu of %zu bytes to %llu bytes, %u helpers, %llu failed)\n", (double)jobs / seconds, (unsigned long long)jobs,
	       payload_bytes, (unsigned long long)bench.bytes, config.helpers, (unsigned long long)bench.failed);
	printf("  a program: %.0f us; processor of helpers %.2f s, of the pool %.2f s, in %.2f s\n", (double)bench.program_us / (double)jobs,
	       seconds_of(helpers.ru_utime) + seconds_of(helpers.ru_stime), seconds_of(own.ru_utime) + seconds_of(own.ru_stime), seconds);
	buf_fini(&input);
	return bench.failed ? 1 : 0;
}
