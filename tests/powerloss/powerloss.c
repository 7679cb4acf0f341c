/* tests/powerloss/powerloss.c: power loss, rehearsed. A store works on a disk that keeps a record; then the power is cut after each
 * operation, in every way that the record allows; a normal store opens what is left. Whatever was acknowledged must be there, and what is
 * there must be exactly what the commits up to some point have made: never half of one. Some images lose power again while they recover.
 *
 *   powerloss [images] [first seed]
 *   powerloss keep SEED OPERATION LOSS WAY     leaves that image as ./image.db */
#include "base/check.h"
#include "shim.h"
#include "work.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define COMMITS          120
#define CHECKPOINT_PAGES 60

static char directory[64], live_path[96], image_path[96], again_path[96];
static uint64_t hashes[COMMITS + 1]; /* of the store after each commit; 0: after none */
static struct work works[COMMITS + 1];

static void remove_store(const char *path)
{
	const char *const ends[] = { "", "-wal", "-shm", "-journal" };
	char name[128];
	for (size_t i = 0; i < ARRAY_COUNT(ends); i++) {
		snprintf(name, sizeof(name), "%s%s", path, ends[i]);
		unlink(name);
	}
}

/* ---- the run that is recorded ---- */

static void shim_fresh(struct factory *factory)
{
	(void)factory;
	remove_store(live_path);
	FILE *file = fopen(live_path, "w");
	CHECK(file && fclose(file) == 0);
}

static enum err shim_store_open(struct factory *factory, struct store **out, struct problem *problem)
{
	const struct store_sqlite_options options = { .path = factory->context, .vfs = "shim", .unlocked = true,
		                                      .checkpoint_pages = CHECKPOINT_PAGES };
	return store_sqlite_open(&options, out, problem);
}

static void shim_discard(struct factory *factory)
{
	(void)factory;
	remove_store(live_path);
}

static void wait_for(struct suite *suite, struct changeset *cs)
{
	struct outcome outcome;
	suite_wait(suite, &outcome);
	CHECK(!outcome.err);
	CHECK(outcome.changeset == cs);
	suite->meta.commit_seq = cs->seq;
	shim_note(cs->seq);
}

/* Commits number `seq`, or both `seq` and the next, which the writer may put into one transaction. */
static uint64_t run_one(struct suite *suite, uint64_t seq, bool both)
{
	struct work work = works[seq - 1];
	suite->meta.commit_seq = seq - 1;
	suite_begin(suite);
	work_fill(&work, suite);
	suite->meta.next_body = suite->cs.next_body;
	suite->meta.last_uid = suite->cs.last_uid;
	if (!both) {
		suite->store->verbs->submit(suite->store, &suite->cs);
		wait_for(suite, &suite->cs);
		return 1;
	}
	struct changeset first = suite->cs;
	suite->cs = (struct changeset){ 0 };
	suite->meta.commit_seq = seq;
	suite_begin(suite);
	work_fill(&work, suite);
	suite->meta.next_body = suite->cs.next_body;
	suite->meta.last_uid = suite->cs.last_uid;
	suite->store->verbs->submit(suite->store, &first);
	suite->store->verbs->submit(suite->store, &suite->cs);
	wait_for(suite, &first);
	wait_for(suite, &suite->cs);
	arena_fini(&first.arena);
	return 2;
}

static void run_in_memory(uint64_t seed) /* what each commit must look like */
{
	struct factory factory = { .name = "mem", .fresh = mem_fresh, .open = mem_open, .discard = mem_discard };
	struct suite suite;
	suite_open(&suite, &factory);
	work_init(&works[0], seed);
	hashes[0] = work_hash(&works[0], &suite);
	for (uint64_t seq = 1; seq <= COMMITS; seq++) {
		suite_begin(&suite);
		works[seq] = works[seq - 1];
		work_fill(&works[seq], &suite);
		suite_commit(&suite);
		hashes[seq] = work_hash(&works[seq], &suite);
	}
	suite_close(&suite);
}

static void run_recorded(struct record *record)
{
	struct factory factory = { .name = "shim", .fresh = shim_fresh, .open = shim_store_open, .discard = shim_discard, .context = live_path };
	struct suite suite;
	shim_record(record);
	suite_open(&suite, &factory);
	for (uint64_t seq = 1; seq <= COMMITS;) {
		seq += run_one(&suite, seq, seq % 5 == 0 && seq < COMMITS);
		if (seq % 40 == 0)
			suite_restart(&suite);
	}
	suite_close(&suite);
	shim_record(NULL);
}

/* ---- what is left ---- */

static enum err image_open(struct factory *factory, struct store **out, struct problem *problem)
{
	return store_sqlite_open(&(struct store_sqlite_options){ .path = factory->context, .create = true, .unlocked = true }, out, problem);
}
static void image_keep(struct factory *factory)
{
	(void)factory;
}

static bool integrity_holds(const char *path)
{
	sqlite3 *db;
	sqlite3_stmt *stmt;
	CHECK(sqlite3_open(path, &db) == SQLITE_OK);
	CHECK(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &stmt, NULL) == SQLITE_OK);
	bool holds = sqlite3_step(stmt) == SQLITE_ROW && strcmp((const char *)sqlite3_column_text(stmt, 0), "ok") == 0;
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return holds;
}

/* 0: as it must be. */
static int check_image(char *path, uint64_t acknowledged, const char *how)
{
	struct factory factory = { .name = "image", .fresh = image_keep, .open = image_open, .discard = image_keep, .context = path };
	struct suite suite;
	const char *wrong = NULL;
	suite_open(&suite, &factory);
	uint64_t seq = suite.meta.commit_seq;
	if (seq < acknowledged)
		wrong = "an acknowledged commit is lost";
	else if (seq > COMMITS)
		wrong = "a commit that never was";
	else if (work_hash(&works[seq], &suite) != hashes[seq])
		wrong = "the content is not that of its commit";
	suite_close(&suite);
	if (!wrong && !integrity_holds(path))
		wrong = "integrity_check";
	if (wrong)
		printf("%s: %s (acknowledged %llu, found %llu)\n", how, wrong, (unsigned long long)acknowledged, (unsigned long long)seq);
	remove_store(path);
	return wrong != NULL;
}

/* Recovers the image on a disk with a record, and cuts the power once more at some point of that. */
static void cut_recovery(uint64_t dice)
{
	struct factory factory = { .name = "shim", .open = shim_store_open, .context = image_path };
	struct store *store;
	struct problem problem;
	struct store_meta meta;
	struct record *record = record_new();
	struct image *before = image_new(record, again_path);
	image_adopt(before, image_path);
	shim_record(record);
	CHECK(!shim_store_open(&factory, &store, &problem));
	CHECK(!store->verbs->take(store, &meta));
	store->verbs->close(store);
	shim_record(NULL);
	size_t operations = record_count(record), cut = operations ? dice % operations : 0;
	while (cut--)
		image_advance(before);
	image_write(before, (enum loss)(dice % LOSS_COUNT), dice);
	image_free(before);
	record_free(record);
	remove_store(image_path);
}

static uint64_t image_dice(uint64_t seed, size_t at, uint64_t way)
{
	return seed * 1000003 + at * 7 + way + 1;
}

static void make_record(uint64_t seed, struct record *record)
{
	run_in_memory(seed);
	run_recorded(record);
}

/* Leaves one image in the current directory, and tells what was still unsynced. */
static int keep_image(uint64_t seed, size_t at, enum loss loss, uint64_t way)
{
	struct record *record = record_new();
	make_record(seed, record);
	struct image *image = image_new(record, "image.db");
	for (size_t i = 0; i <= at; i++)
		image_advance(image);
	image_write(image, loss, image_dice(seed, at, way));
	image_print(image);
	printf("image.db: acknowledged %llu\n", (unsigned long long)image_acknowledged(image));
	image_free(image);
	record_free(record);
	return rmdir(directory);
}

static uint64_t images, recovered;
static int failed;

static void cut_at(struct image *image, uint64_t seed, size_t at, size_t operations, uint64_t way)
{
	char how[96];
	uint64_t dice = image_dice(seed, at, way);
	enum loss loss = (enum loss)((at * 2 + way) % LOSS_COUNT);
	snprintf(how, sizeof(how), "keep %llu %zu %d %llu (of %zu operations)", (unsigned long long)seed, at, (int)loss, (unsigned long long)way,
	         operations);
	image_write(image, loss, dice);
	if (dice % 23 == 0) {
		cut_recovery(dice);
		recovered++;
	}
	failed += check_image(dice % 23 == 0 ? again_path : image_path, image_acknowledged(image), how);
	images++;
}

static void cut_everywhere(uint64_t seed, uint64_t wanted)
{
	struct record *record = record_new();
	make_record(seed, record);
	size_t operations = record_count(record);
	struct image *image = image_new(record, image_path);
	for (size_t at = 0; at < operations && images < wanted; at++) {
		image_advance(image);
		for (uint64_t way = 0; way < 2; way++)
			cut_at(image, seed, at, operations, way);
	}
	image_free(image);
	record_free(record);
	printf("seed %llu: %zu operations recorded, %llu images so far, %d failed\n", (unsigned long long)seed, operations,
	       (unsigned long long)images, failed);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	snprintf(directory, sizeof(directory), "%s/ruche-powerloss-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	CHECK(mkdtemp(directory));
	snprintf(live_path, sizeof(live_path), "%s/live.db", directory);
	snprintf(image_path, sizeof(image_path), "%s/image.db", directory);
	snprintf(again_path, sizeof(again_path), "%s/again.db", directory);
	shim_install();
	if (argc == 6 && strcmp(argv[1], "keep") == 0)
		return keep_image(strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10), (enum loss)atoi(argv[4]), strtoull(argv[5], NULL, 10));
	uint64_t wanted = argc > 1 ? strtoull(argv[1], NULL, 10) : 6000;
	for (uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1; images < wanted; seed++)
		cut_everywhere(seed, wanted);
	CHECK(rmdir(directory) == 0);
	printf("%llu images, %llu of them cut again while recovering: %d failed\n", (unsigned long long)images, (unsigned long long)recovered, failed);
	return failed != 0;
}
