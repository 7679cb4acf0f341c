/* fuzz/answer_fuzz.c: any bytes as what libruche hears: a claim's answer, an answer with results, a refusal. Whoever sends them, what is made of it is
 * whole: texts end in NUL, jobs have what a worker needs, an error has a code, a name and a sentence. */
#include "fuzz.h"
#include "claim.h"

static void fuzz_claim(struct str text, const char *path)
{
	struct ruche_claimed *claimed = NULL;
	struct ruche_error error = { 0 };
	int code = claimed_read(text, path, &claimed, &error);
	if (code) {
		CHECK(!claimed && error.code == code && error.sentence[0]);
		return;
	}
	CHECK(!ruche_claimed_job(claimed, ruche_claimed_count(claimed)));
	for (size_t i = 0; i < ruche_claimed_count(claimed); i++) {
		const struct ruche_job *job = ruche_claimed_job(claimed, i);
		CHECK(job->uid && job->queue && job->token && job->payload && job->payload_bytes == strlen(job->payload));
	}
	ruche_claimed_free(claimed);
}

static void fuzz_problem(int status, struct str text)
{
	struct ruche_error error = { 0 };
	int code = error_of_problem(&error, status, text, "http://127.0.0.1:8420");
	CHECK(code != RUCHE_OK && error.code == code && error.name[0] && error.sentence[0]);
	CHECK(memchr(error.name, 0, sizeof(error.name)) && memchr(error.field, 0, sizeof(error.field)) && memchr(error.sentence, 0, sizeof(error.sentence)));
	CHECK(str_is_utf8(str_of(error.sentence)) && str_is_utf8(str_of(error.field)));
}

static void fuzz_answer(struct str text)
{
	static const char *const paths[] = { "", "uid", "results", "results.0.uid", "a.b.c", "claim.jobs.0" };
	struct http_answer http = { .status = 200 };
	struct ruche_answer *answer;
	struct ruche_error error;
	size_t bytes;
	buf_init(&http.body, 1 << 24);
	buf_add(&http.body, text);
	if (answer_make(&http, &answer, &error))
		return;
	CHECK(strlen(ruche_answer_json(answer, &bytes)) <= bytes && bytes == text.len);
	for (size_t i = 0; i < ARRAY_COUNT(paths); i++) {
		const char *found = ruche_answer_text(answer, paths[i]);
		CHECK(!found || strlen(found) <= text.len * 3);
		(void)ruche_answer_integer(answer, paths[i], -1);
	}
	for (size_t i = 0; i <= ruche_answer_count(answer); i++) {
		int code = ruche_answer_item_error(answer, i, &error);
		CHECK(i < ruche_answer_count(answer) || code == RUCHE_BAD_ARGUMENT);
		(void)ruche_answer_item_text(answer, i, "uid");
	}
	ruche_answer_free(answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	struct str text = fuzz_str(data + 2, size - 2);
	if (data[0] == 'c')
		fuzz_claim(text, data[1] == 'n' ? "claim" : "");
	else if (data[0] == 'p')
		fuzz_problem(400 + data[1] % 200, text);
	else
		fuzz_answer(text);
	return 0;
}
