#include "store/suite.h"
#include "base/check.h"
#include "base/uid.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- open and close ---- */

static void suite_wake(void *context)
{
	sem_post(context);
}

static void suite_connect(struct suite *suite)
{
	struct problem problem = { 0 };
	enum err err = suite->factory->open(suite->factory, &suite->store, &problem);
	if (err)
		fprintf(stderr, "open: %s (%s)\n", err_code(err), problem.detail);
	CHECK(!err);
	suite->store->wake = suite_wake;
	suite->store->wake_context = &suite->woken;
	CHECK(!suite->store->verbs->reader_open(suite->store, &suite->reader));
	CHECK(!suite->store->verbs->take(suite->store, &suite->meta));
}

void suite_open(struct suite *suite, struct factory *factory)
{
	*suite = (struct suite){ .factory = factory };
	CHECK(sem_init(&suite->woken, 0, 0) == 0);
	factory->fresh(factory);
	suite_connect(suite);
}

static void suite_disconnect(struct suite *suite)
{
	reader_close(suite->reader);
	suite->store->verbs->close(suite->store);
}

void suite_restart(struct suite *suite)
{
	suite_disconnect(suite);
	suite_connect(suite);
}

void suite_close(struct suite *suite)
{
	suite_disconnect(suite);
	suite->factory->discard(suite->factory);
	arena_fini(&suite->cs.arena);
	arena_fini(&suite->arena);
	CHECK(sem_destroy(&suite->woken) == 0);
}

/* ---- committing ---- */

struct changeset *suite_begin(struct suite *suite)
{
	struct arena arena = suite->cs.arena;
	arena_reset(&arena);
	uint64_t seq = suite->meta.commit_seq + 1;
	suite->cs = (struct changeset){ .arena = arena, .seq = seq, .term = suite->meta.term, .engine_us = (int64_t)seq * 1000,
		                        .wall_us = (int64_t)seq * 1000 + 7, .last_uid = suite->meta.last_uid, .next_body = suite->meta.next_body };
	return &suite->cs;
}

void suite_wait(struct suite *suite, struct outcome *out)
{
	while (suite->store->verbs->poll(suite->store, out, 1) == 0)
		while (sem_wait(&suite->woken))
			;
}

enum err suite_try(struct suite *suite)
{
	for (;;) {
		struct outcome outcome;
		suite->store->verbs->submit(suite->store, &suite->cs);
		suite_wait(suite, &outcome);
		CHECK(outcome.changeset == &suite->cs);
		enum err err = outcome.err;
		if (err == E_OK)
			break;
		if (!suite->factory->hostile || (err != E_STORE_FULL && err != E_OUTCOME_UNKNOWN))
			return err;
		suite->refused += err == E_STORE_FULL;
		suite->unknown += err == E_OUTCOME_UNKNOWN;
		if (err == E_STORE_FULL)
			continue;
		struct problem problem;
		struct store_meta meta;
		CHECK(!suite->store->verbs->reopen(suite->store, &problem));
		CHECK(!suite->store->verbs->take(suite->store, &meta));
		CHECK(meta.commit_seq == suite->cs.seq || meta.commit_seq == suite->cs.seq - 1);
		suite->meta.term = suite->cs.term = meta.term;
		if (meta.commit_seq == suite->cs.seq)
			break;
	}
	suite->meta.commit_seq = suite->cs.seq;
	suite->meta.last_uid = suite->cs.last_uid;
	suite->meta.next_body = suite->cs.next_body;
	return E_OK;
}

void suite_commit(struct suite *suite)
{
	enum err err = suite_try(suite);
	if (err)
		fprintf(stderr, "commit %llu: %s\n", (unsigned long long)suite->cs.seq, err_code(err));
	CHECK(!err);
}

/* ---- rows ---- */

struct str suite_text(struct suite *suite, const char *format, ...)
{
	char text[1024];
	va_list arguments;
	va_start(arguments, format);
	int len = vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	CHECK(len >= 0 && len < (int)sizeof(text));
	struct str copy = arena_str(&suite->cs.arena, (struct str){ text, (size_t)len });
	CHECK(copy.ptr);
	return copy;
}

struct job_write *suite_job(struct suite *suite, enum job_table before, enum job_table after, uint64_t uid, uint32_t queue)
{
	struct changeset *cs = &suite->cs;
	struct job_write *write = change_add(cs, jobs);
	CHECK(write);
	bool final = after == TABLE_DONE;
	*write = (struct job_write){ .before = before, .after = after };
	write->row = (struct job_row){ .uid = uid, .queue = queue, .state = final ? JOB_COMPLETED : JOB_WAITING,
		                       .outcome = final ? OUTCOME_SUCCESS : OUTCOME_NONE, .max_attempts = 3, .rank = (int64_t)uid, .version = cs->seq,
		                       .since_us = cs->engine_us, .finished_us = final ? cs->wall_us : 0, .bytes = 100 };
	if (uid > cs->last_uid)
		cs->last_uid = uid;
	return write;
}

struct job_definition *suite_definition(struct suite *suite, struct job_write *write, const char *id)
{
	struct job_definition *definition = ARENA_NEW(&suite->cs.arena, struct job_definition);
	CHECK(definition);
	*definition = (struct job_definition){ .uid = write->row.uid, .queue = write->row.queue, .created_us = suite->cs.wall_us, .max_attempts = 3 };
	definition->id = id ? suite_text(suite, "%s", id) : STR("");
	definition->payload = suite_text(suite, "{\"n\":%llu}", (unsigned long long)write->row.uid);
	definition->payload_bytes = definition->payload.len;
	write->definition = definition;
	return definition;
}

struct job_result *suite_result(struct suite *suite, struct job_write *write, const char *result, const char *error)
{
	struct job_result *row = ARENA_NEW(&suite->cs.arena, struct job_result);
	CHECK(row);
	row->result = suite_text(suite, "%s", result);
	row->result_bytes = row->result.len;
	row->error = suite_text(suite, "%s", error);
	write->result = row;
	return row;
}

void suite_queue(struct suite *suite, uint32_t number, const char *namespace_name, const char *name)
{
	struct queue_row *row = change_add(&suite->cs, queues);
	CHECK(row);
	*row = (struct queue_row){ .number = number, .namespace_name = suite_text(suite, "%s", namespace_name), .name = suite_text(suite, "%s", name),
		                   .settings = suite_text(suite, "{\"lease_ms\":%u}", number), .created_us = suite->cs.wall_us,
		                   .version = suite->cs.seq };
}

void suite_counts(struct suite *suite, uint32_t queue, enum job_state state, int64_t jobs, int64_t bytes)
{
	struct queue_counts *delta = change_add(&suite->cs, counts);
	CHECK(delta);
	delta->queue = queue;
	delta->final[state] = (uint64_t)jobs;
	delta->final_bytes[state] = (uint64_t)bytes;
	delta->ended[state] = jobs > 0 ? (uint64_t)jobs : 0;
}

/* ---- questions ---- */

enum err suite_ask(struct suite *suite, const struct query *query)
{
	arena_reset(&suite->arena);
	return reader_run(suite->reader, query, &suite->arena, &suite->answer);
}

const struct job_view *suite_view(struct suite *suite, uint64_t uid)
{
	enum err err = suite_ask(suite, &(struct query){ .kind = QUERY_JOB, .uids = &uid, .uid_count = 1, .with_payload = true, .with_result = true });
	if (err && err != E_JOB_NOT_FOUND)
		fprintf(stderr, "view %llu: %s\n", (unsigned long long)uid, err_code(err));
	CHECK(err == E_OK || err == E_JOB_NOT_FOUND);
	return err ? NULL : &suite->answer.jobs[0];
}

bool suite_load(struct suite *suite, uint64_t uid, struct job_row *row)
{
	struct load load = { .uids = &uid, .uid_count = 1 };
	arena_reset(&suite->arena);
	CHECK(!suite->store->verbs->load(suite->store, &load, &suite->arena));
	*row = load.rows[0];
	return row->uid != 0;
}

/* ---- as text ---- */

#define TEXT_N(field) buf_addf(out, " " #field "=%lld", (long long)row->field)
#define TEXT_S(field) buf_addf(out, " " #field "='" STR_FMT "'", STR_ARG(row->field))

void text_of_row(struct buf *out, const struct job_row *row)
{
	TEXT_N(uid), TEXT_N(queue), TEXT_N(state), TEXT_N(outcome), TEXT_N(flags), TEXT_N(priority), TEXT_N(policy), TEXT_N(max_attempts);
	TEXT_N(attempts_started), TEXT_N(attempts_made), TEXT_N(stalls), TEXT_N(rank), TEXT_N(due_us), TEXT_N(expire_us), TEXT_N(timeout_ms);
	TEXT_N(fence), TEXT_N(version), TEXT_N(since_us), TEXT_N(started_us), TEXT_N(finished_us), TEXT_N(lease_token), TEXT_N(lease_ms);
	TEXT_N(edited_body), TEXT_N(bytes), TEXT_S(worker), TEXT_S(group), TEXT_S(label), TEXT_S(deferred);
}

static void text_of_definition(struct buf *out, const struct job_definition *row)
{
	TEXT_N(uid), TEXT_N(queue), TEXT_N(created_us), TEXT_N(priority), TEXT_N(max_attempts), TEXT_N(policy), TEXT_N(timeout_ms), TEXT_N(ttl_ms);
	TEXT_N(payload_bytes), TEXT_N(payload_body), TEXT_S(id), TEXT_S(name), TEXT_S(group), TEXT_S(tags), TEXT_S(trace), TEXT_S(target), TEXT_S(chain);
	TEXT_S(metadata), TEXT_S(payload);
}

static void text_of_result(struct buf *out, const struct job_result *row)
{
	TEXT_N(result_body), TEXT_N(result_bytes), TEXT_S(result), TEXT_S(error);
}

void text_of_view(struct buf *out, const struct job_view *row)
{
	buf_addf(out, "job");
	text_of_definition(out, &row->definition);
	buf_addf(out, " |");
	text_of_row(out, &row->row);
	buf_addf(out, " |");
	text_of_result(out, &row->result);
	buf_addf(out, " |");
	TEXT_S(queue_name), TEXT_S(namespace_name), TEXT_S(edited_payload), TEXT_S(progress);
	buf_addf(out, "\n");
}

static enum err text_budget(void *context, const struct budget_row *row)
{
	struct buf *out = context;
	buf_addf(out, "budget");
	TEXT_N(number), TEXT_S(namespace_name), TEXT_S(name), TEXT_S(settings), TEXT_N(blocked_us);
	buf_addf(out, "\n");
	return E_OK;
}
static enum err text_permit(void *context, const struct permit_row *row)
{
	struct buf *out = context;
	buf_addf(out, "permit");
	TEXT_N(budget), TEXT_N(token), TEXT_N(units), TEXT_N(lease_ms);
	buf_addf(out, "\n");
	return E_OK;
}
static enum err text_queue(void *context, const struct queue_row *row)
{
	struct buf *out = context;
	buf_addf(out, "queue");
	TEXT_N(number), TEXT_S(namespace_name), TEXT_S(name), TEXT_S(settings), TEXT_N(paused), TEXT_N(created_us), TEXT_N(version);
	TEXT_N(blocked_us);
	buf_addf(out, "\n");
	return E_OK;
}
static enum err text_group(void *context, const struct group_row *row)
{
	struct buf *out = context;
	buf_addf(out, "group");
	TEXT_N(queue), TEXT_S(key), TEXT_S(settings), TEXT_N(paused), TEXT_N(blocked_us);
	buf_addf(out, "\n");
	return E_OK;
}
static enum err text_policy(void *context, const struct policy_row *row)
{
	struct buf *out = context;
	buf_addf(out, "policy");
	TEXT_N(number), TEXT_S(json);
	buf_addf(out, "\n");
	return E_OK;
}
static enum err text_counts(void *context, const struct queue_counts *row)
{
	struct buf *out = context;
	buf_addf(out, "counts");
	TEXT_N(queue), TEXT_N(enqueued), TEXT_N(started), TEXT_N(ids);
	for (int state = JOB_COMPLETED; state <= JOB_EXPIRED; state++)
		buf_addf(out, " %lld/%lld/%lld", (long long)row->final[state], (long long)row->final_bytes[state], (long long)row->ended[state]);
	buf_addf(out, "\n");
	return E_OK;
}
static enum err text_token(void *context, const struct token_row *row)
{
	struct buf *out = context;
	buf_addf(out, "token");
	TEXT_N(number), TEXT_S(name), TEXT_S(hash), TEXT_S(prefix), TEXT_S(scopes), TEXT_S(queues), TEXT_N(created_us), TEXT_N(expires_us);
	TEXT_N(revoked_us);
	buf_addf(out, "\n");
	return E_OK;
}
static enum err text_operation(void *context, const struct operation_row *row)
{
	struct buf *out = context;
	buf_addf(out, "operation");
	TEXT_N(number), TEXT_S(action), TEXT_S(arguments), TEXT_S(filter), TEXT_N(as_of), TEXT_N(cursor_uid), TEXT_N(cursor_phase), TEXT_N(done);
	TEXT_N(skipped), TEXT_N(failed), TEXT_N(state), TEXT_N(created_us), TEXT_N(finished_us);
	buf_addf(out, "\n");
	return E_OK;
}
static enum err text_dedup(void *context, const struct dedup_row *row)
{
	struct buf *out = context;
	buf_addf(out, "dedup");
	TEXT_N(queue), TEXT_S(key), TEXT_N(owner), TEXT_S(owner_id), TEXT_N(next), TEXT_S(next_id), TEXT_N(until_us), TEXT_N(since_us);
	buf_addf(out, "\n");
	return E_OK;
}
static enum err text_edge(void *context, const struct edge_row *row)
{
	struct buf *out = context;
	buf_addf(out, "edge");
	TEXT_N(parent), TEXT_N(child), TEXT_N(on_failure), TEXT_N(at_us), TEXT_N(queue), TEXT_S(id);
	buf_addf(out, "\n");
	return E_OK;
}
static enum err text_chain(void *context, const struct chain_row *row)
{
	struct buf *out = context;
	buf_addf(out, "chain");
	TEXT_N(queue), TEXT_S(key), TEXT_S(schedule), TEXT_S(job), TEXT_S(payload), TEXT_N(slot_ms), TEXT_N(offset_ms), TEXT_N(count), TEXT_N(pending);
	TEXT_S(metadata);
	buf_addf(out, "\n");
	return E_OK;
}
static enum err text_job(void *context, const struct job_row *row)
{
	struct buf *out = context;
	buf_addf(out, "live");
	text_of_row(out, row);
	buf_addf(out, "\n");
	return E_OK;
}


static int line_cmp(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Tables come in this order, rows in any: sorted here, but for the live jobs, whose order is promised. */
static void dump_sort(struct arena *arena, struct str text, struct buf *out)
{
	size_t lines = 0;
	for (size_t i = 0; i < text.len; i++)
		lines += text.ptr[i] == '\n';
	struct str *items = ARENA_ARRAY(arena, struct str, lines + 1);
	CHECK(items);
	for (size_t i = 0; i < lines; i++) {
		size_t end = str_index(text, '\n');
		items[i] = (struct str){ text.ptr, end };
		text = str_from(text, end + 1);
	}
	for (size_t first = 0, next; first < lines; first = next) {
		for (next = first; next < lines && items[next].ptr[0] == items[first].ptr[0] && items[next].ptr[1] == items[first].ptr[1];)
			next++;
		if (!str_starts(items[first], STR("live")))
			qsort(items + first, next - first, sizeof(*items), line_cmp);
		for (size_t i = first; i < next; i++) {
			buf_add(out, items[i]);
			buf_add_byte(out, '\n');
		}
	}
}

void suite_dump(struct suite *suite, struct buf *out)
{
	struct buf text;
	buf_init(&text, 64 << 20);
	struct scan_visitor visitor = { .context = &text, .budget = text_budget, .permit = text_permit, .queue = text_queue, .group = text_group,
		                        .policy = text_policy, .counts = text_counts, .token = text_token, .operation = text_operation, .job = text_job,
		                        .dedup = text_dedup, .edge = text_edge, .chain = text_chain };
	CHECK(!suite->store->verbs->scan(suite->store, &visitor));
	CHECK(buf_ok(&text));
	arena_reset(&suite->arena);
	dump_sort(&suite->arena, buf_str(&text), out);
	buf_fini(&text);
}
