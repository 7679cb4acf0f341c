/* src/api/tokens.c: tokens: learning them all, listing, making and revoking. The text of a token is told once, when it is made. */
#include "base/base64.h"
#include "api/body.h"
#include "api/name.h"
#include "api/routes.h"
#include "base/limits.h"
#include <openssl/crypto.h>

#define TOKEN_QUEUES_MAX 64

/* ---- learning: all pages into a new roster, which then takes the old one's place ---- */

static void tokens_page(struct call *errand);

static void tokens_ask(struct call *errand, struct str cursor)
{
	errand->question.query = (struct query){ .kind = QUERY_TOKENS, .limit = LIMIT_PAGE, .cursor = cursor };
	call_ask(errand, tokens_page);
}

static void tokens_release(struct api *api)
{
	struct call *first = api->awaiting;
	api->awaiting = NULL;
	for (struct call *next; first; first = next) {
		next = first->next_awaiting;
		first->then(first);
	}
}

static void tokens_learnt(struct api *api, enum err err)
{
	api->learning = false;
	api->stale = err != E_OK;
	if (err) {
		roster_drop(api->next_roster); /* the old one stays */
	} else {
		roster_drop(api->roster);
		api->roster = api->next_roster;
		api->ready = true;
	}
	api->next_roster = NULL;
	if (api->learn_again)
		tokens_learn(api);
	else
		tokens_release(api);
}

void tokens_await(struct call *call, void (*then)(struct call *call))
{
	struct api *api = call->api;
	if (!api->learning) {
		then(call);
		return;
	}
	call->then = then;
	call->next_awaiting = api->awaiting;
	api->awaiting = call;
}

static void tokens_page(struct call *errand)
{
	struct api *api = errand->api;
	const struct answer *answer = &errand->question.answer;
	enum err err = errand->question.err;
	for (uint32_t i = 0; !err && i < answer->token_count; i++) {
		err = roster_add(api->next_roster, &answer->tokens[i]);
		if (err == E_INVALID)
			err = E_OK; /* a row that makes no sense admits nobody */
	}
	struct str cursor = err ? (struct str){ 0 } : arena_str(&errand->request.arena, answer->next_cursor);
	if (cursor.len) {
		arena_reset(&errand->question.arena);
		tokens_ask(errand, cursor);
		return;
	}
	call_give(errand);
	tokens_learnt(api, err);
}

void tokens_learn(struct api *api)
{
	api->learn_again = api->learning;
	if (api->learning)
		return;
	struct call *errand = call_take(api, NULL);
	api->next_roster = errand ? roster_new() : NULL;
	api->stale = !api->next_roster;
	if (api->stale) {
		if (errand)
			call_give(errand);
		return;
	}
	api->learning = true;
	tokens_ask(errand, (struct str){ 0 });
}

/* ---- as JSON ---- */

static void token_write(struct buf *out, const struct token_row *row, const char *secret)
{
	struct str rest = row->scopes;
	buf_add_byte(out, '{');
	put_uid(out, "uid", row->number);
	json_put_field_str(out, "name", row->name);
	json_put_field_str(out, "prefix", row->prefix);
	json_put_key(out, "scopes");
	buf_add_byte(out, '[');
	for (rest = str_trim(rest); rest.len; rest = str_trim(str_from(rest, str_index(rest, ' ')))) {
		json_put_comma(out);
		json_put_str(out, (struct str){ rest.ptr, str_index(rest, ' ') });
	}
	buf_add_byte(out, ']');
	json_put_field_raw(out, "queues", row->queues);
	json_put_field_instant(out, "created_at", row->created_us);
	json_put_field_instant(out, "expires_at", row->expires_us);
	json_put_field_instant(out, "revoked_at", row->revoked_us);
	if (secret)
		json_put_field_str(out, "token", str_of(secret));
	buf_add_byte(out, '}');
}

/* ---- the list ---- */

void tokens_list(struct call *call)
{
	struct query *query = &call->question.query;
	query->kind = QUERY_TOKENS;
	query->cursor = call_param(call, "cursor")->text;
	query->limit = call_param(call, "limit")->given ? (uint32_t)call_param(call, "limit")->number : 100;
	call_ask(call, call_answered);
}

void tokens_encode_list(struct call *call, struct buf *out)
{
	const struct answer *answer = &call->question.answer;
	buf_add_lit(out, "{\"tokens\":[");
	for (uint32_t i = 0; i < answer->token_count; i++) {
		json_put_comma(out);
		token_write(out, &answer->tokens[i], NULL);
	}
	buf_add_byte(out, ']');
	call_put_next_cursor(call, out);
}

/* ---- making ---- */

struct new_token {
	struct str name, queues;
	unsigned scopes;
	int64_t expires_us;
};

static bool read_scopes(struct json *json, void *out, void *context)
{
	struct str word;
	uint32_t index;
	unsigned scope;
	(void)context;
	if (!json_enter_array(json))
		return false;
	while (json_next_item(json, &index)) {
		if (!json_read_str(json, 32, &word))
			return false;
		if (!word.len || scopes_parse(word, &scope))
			return json_refuse(json, E_INVALID, "Expected enqueue, work, read, operate, admin or poll.");
		*(unsigned *)out |= scope;
	}
	if (json->failed)
		return false;
	return *(unsigned *)out ? true : json_refuse(json, E_INVALID, "At least one scope is needed.");
}

static bool read_token_queues(struct json *json, void *out, void *context)
{
	struct str name;
	uint32_t index, count = 0;
	(void)context;
	json_peek(json);
	const char *begin = json->next;
	if (!json_enter_array(json))
		return false;
	while (json_next_item(json, &index)) {
		if (!json_read_str(json, 2 * LIMIT_NAME_BYTES + 1, &name))
			return false;
		if (!name.len || name.ptr[0] == '/' || name.ptr[name.len - 1] == '/')
			return json_refuse(json, E_INVALID, "Expected a queue's name, or \"namespace/name\".");
		if (++count > TOKEN_QUEUES_MAX)
			return json_refuse(json, E_INVALID, "A token is limited to at most %d queues.", TOKEN_QUEUES_MAX);
	}
	if (json->failed)
		return false;
	if (!count)
		return json_refuse(json, E_INVALID, "Name at least one queue, or leave the field out for all of them.");
	*(struct str *)out = (struct str){ begin, (size_t)(json->next - begin) };
	return true;
}

static bool read_token_name(struct json *json, void *out, void *context)
{
	struct str *name = out;
	(void)context;
	if (!json_read_str(json, LIMIT_NAME_BYTES, name))
		return false;
	const char *why = name_refusal(*name, false);
	return why ? json_refuse(json, E_INVALID, "%s", why) : true;
}

#define AT(member) offsetof(struct new_token, member)
static const struct json_field token_fields[] = {
	{ "name", JSON_F_CUSTOM, AT(name), 0, 0, JSON_F_REQUIRED, read_token_name, NULL },
	{ "scopes", JSON_F_CUSTOM, AT(scopes), 0, 0, JSON_F_REQUIRED, read_scopes, NULL },
	{ "queues", JSON_F_CUSTOM, AT(queues), 0, 0, JSON_F_NULL, read_token_queues, NULL },
	{ "expires_at", JSON_F_INSTANT, AT(expires_us), 0, 0, JSON_F_NULL, NULL, NULL },
};
#undef AT

static struct str tokens_scopes(struct call *call, unsigned scopes)
{
	char text[64];
	struct buf out;
	buf_init(&out, sizeof(text));
	scopes_write(scopes, &out);
	struct str kept = arena_str(&call->request.arena, buf_str(&out));
	buf_fini(&out);
	return kept;
}

static bool tokens_fill(struct call *call, struct token_row *row, const struct new_token *wanted)
{
	unsigned char random[TOKEN_RANDOM_BYTES], hash[TOKEN_HASH_BYTES];
	struct arena *arena = &call->request.arena;
	struct api *api = call->api;
	int64_t now_us = call_now_us(call);
	api->ports.random(api->ports.context, random, sizeof(random));
	token_text(random, call->token_text);
	bool fine = token_hash((struct str){ call->token_text, TOKEN_TEXT_BYTES - 1 }, hash);
	OPENSSL_cleanse(random, sizeof(random));
	*row = (struct token_row){
		.number = uid_next(&api->maker, now_us),
		.name = wanted->name,
		.hash = arena_str(arena, (struct str){ (const char *)hash, sizeof(hash) }),
		.prefix = arena_str(arena, (struct str){ call->token_text, TOKEN_PREFIX_BYTES }),
		.scopes = tokens_scopes(call, wanted->scopes),
		.queues = wanted->queues,
		.created_us = now_us,
		.expires_us = wanted->expires_us,
	};
	if (!fine || !row->hash.ptr || !row->prefix.ptr || !row->scopes.ptr)
		return problem_set(&call->problem, E_NOMEM, "", "There was no memory for the token.") == E_OK;
	if (wanted->expires_us && wanted->expires_us <= now_us)
		return problem_set(&call->problem, E_INVALID, "expires_at", "This instant has passed.") == E_OK;
	return true;
}

bool tokens_decode(struct call *call)
{
	struct new_token *wanted = ARENA_NEW(&call->request.arena, struct new_token);
	struct json json;
	body_json(call, &json);
	call->wanted_token = wanted;
	if (!wanted)
		return json_refuse(&json, E_NOMEM, "There was no memory for it.");
	return json_read_fields(&json, token_fields, ARRAY_COUNT(token_fields), wanted, NULL, NULL) && json_finish(&json);
}

/* Told when it is in force here: a new token can be used, a revoked one is refused. */
static void tokens_put(struct call *call)
{
	if (!call->request.err && !call->request.ops[0].result.err) {
		tokens_learn(call->api);
		tokens_await(call, call_replied);
	} else {
		call_replied(call);
	}
}

void tokens_make(struct call *call)
{
	struct op *op = call_op(call, OP_TOKEN_PUT);
	if (!op || !tokens_fill(call, &op->token, call->wanted_token))
		call_refuse(call, call->problem.err);
	else
		call_submit(call, tokens_put);
}

void tokens_encode_one(struct call *call, struct buf *out)
{
	token_write(out, &call->request.ops[0].token, call->token_text[0] ? call->token_text : NULL);
}

/* ---- revoking ---- */

/* Somebody must be able to go on. */
static bool tokens_is_last_admin(const struct api *api, const struct token *token, int64_t now_us)
{
	for (uint32_t i = 0; i < roster_count(api->roster); i++) {
		const struct token *other = roster_at(api->roster, i);
		if (other != token && (other->scopes & SCOPE_ADMIN) && !other->queue_count && token_is_good(other, now_us))
			return false;
	}
	return (token->scopes & SCOPE_ADMIN) && !api->config.open;
}

static bool token_row_copy(struct arena *arena, const struct token_row *from, struct token_row *out)
{
	*out = *from;
	struct str *texts[] = { &out->name, &out->hash, &out->prefix, &out->scopes, &out->queues };
	for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
		*texts[i] = arena_str(arena, *texts[i]);
		if (!texts[i]->ptr)
			return false;
	}
	return true;
}

void tokens_revoke(struct call *call)
{
	struct api *api = call->api;
	int64_t now_us = call_now_us(call);
	if (!body_uid(call, E_NOT_FOUND, &call->number)) {
		call_refuse(call, call->problem.err);
		return;
	}
	const struct token *token = api->roster ? roster_find_number(api->roster, call->number) : NULL;
	if (!token) {
		call_fail(call, E_NOT_FOUND, "uid", "No such token.");
		return;
	}
	if (tokens_is_last_admin(api, token, now_us)) {
		call_fail(call, E_CONFLICT, "uid", "This is the last admin token: make another one first.");
		return;
	}
	struct op *op = call_op(call, OP_TOKEN_PUT);
	if (!op || !token_row_copy(&call->request.arena, &token->row, &op->token)) {
		call_refuse(call, E_NOMEM);
		return;
	}
	if (!op->token.revoked_us)
		op->token.revoked_us = now_us;
	call_submit(call, tokens_put);
}
