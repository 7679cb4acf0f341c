#include "deliver/oauth.h"
#include "base/base64.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/json_tree.h"
#include "base/limits.h"
#include "base/mem.h"
#include "rules/http_header.h"
#include "rules/url_template.h"
#include <stdio.h>

#define OAUTH_FORM_BYTES (1u << 20) /* a secret of 64 KiB, encoded, and what stands beside it */

struct oauth_token {
	LIST_ENTRY(oauth_token) link;
	struct oauth_room *room;
	uint32_t endpoint;
	uint64_t version, secret_hash;
	struct http_ticket *ticket;  /* while it is fetched */
	struct arena arena;          /* of the request */
	struct str text;             /* owned; ptr NULL: there is none */
	int64_t since_us, until_us;  /* on the monotonic clock */
};

static struct oauth_list *oauth_bucket(struct oauth_room *room, uint32_t endpoint)
{
	return &room->buckets[endpoint % OAUTH_BUCKETS];
}

static struct oauth_token *oauth_at(struct oauth_room *room, uint32_t endpoint)
{
	struct oauth_token *token;
	LIST_FOREACH(token, oauth_bucket(room, endpoint), link)
		if (token->endpoint == endpoint)
			return token;
	return NULL;
}

static void oauth_drop_text(struct oauth_token *token)
{
	if (token->text.ptr)
		bytes_wipe((char *)token->text.ptr, token->text.len);
	mem_free((char *)token->text.ptr);
	token->text = (struct str){ NULL, 0 };
}

static void oauth_drop_request(struct oauth_token *token)
{
	arena_wipe(&token->arena);
	arena_fini(&token->arena);
	token->ticket = NULL;
}

static void oauth_free(struct oauth_token *token)
{
	if (token->ticket)
		http_client_cancel(token->room->client, token->ticket);
	oauth_drop_request(token);
	oauth_drop_text(token);
	LIST_REMOVE(token, link);
	mem_free(token);
}

void oauth_room_init(struct oauth_room *room, struct http_client *client, uint64_t seed)
{
	*room = (struct oauth_room){ .client = client, .seed = seed };
	for (uint32_t i = 0; i < OAUTH_BUCKETS; i++)
		LIST_INIT(&room->buckets[i]);
}

void oauth_room_fini(struct oauth_room *room)
{
	for (uint32_t i = 0; i < OAUTH_BUCKETS; i++)
		while (!LIST_EMPTY(&room->buckets[i]))
			oauth_free(LIST_FIRST(&room->buckets[i]));
}

/* By the settings of then or later ones: deliveries of both versions are under way for a while, and must not take it from each other. */
static bool oauth_is_for(const struct oauth_token *token, const struct oauth_wish *wish)
{
	return token->version >= wish->version && token->secret_hash == str_hash(wish->secret, token->room->seed);
}

bool oauth_find(struct oauth_room *room, const struct oauth_wish *wish, struct str *out, int64_t *since_us)
{
	const struct oauth_token *token = oauth_at(room, wish->endpoint);
	if (!token || !token->text.ptr || token->until_us <= clock_mono_us() || !oauth_is_for(token, wish))
		return false;
	*out = token->text;
	*since_us = token->since_us;
	return true;
}

void oauth_forget(struct oauth_room *room, uint32_t endpoint, struct str text)
{
	struct oauth_token *token = oauth_at(room, endpoint);
	if (token && str_eq(token->text, text))
		oauth_drop_text(token);
}

/* ---- the answer ---- */

static int64_t oauth_lifetime_s(const struct json_node *expires_in)
{
	int64_t said_s = OAUTH_LIFE_S;
	if (expires_in && expires_in->type == JSON_NUMBER && expires_in->number >= 0)
		said_s = expires_in->number > LIMIT_DURATION_MS / 1000 ? LIMIT_DURATION_MS / 1000 : (int64_t)expires_in->number;
	int64_t life_s = said_s > 2 * OAUTH_LEAD_S ? said_s - OAUTH_LEAD_S : said_s / 2;
	return life_s ? life_s : 1;
}

/* NULL, or why the answer is none. */
static const char *oauth_take(struct oauth_token *token, const struct json_node *answer)
{
	const struct json_node *text = json_tree_member(answer, STR("access_token")), *type = json_tree_member(answer, STR("token_type"));
	if (!text || text->type != JSON_STRING || !text->text.len || text->text.len > LIMIT_HEADER_BYTES / 2 || http_header_value_refusal(text->text))
		return "the answer has no access_token that could stand in a header";
	if (type && (type->type != JSON_STRING || !str_eq_nocase(type->text, STR("bearer"))))
		return "the token is not of the type Bearer";
	char *copy = mem_alloc(text->text.len);
	if (!copy)
		return "there was not enough memory";
	memcpy(copy, text->text.ptr, text->text.len);
	oauth_drop_text(token);
	token->text = (struct str){ copy, text->text.len };
	token->since_us = clock_mono_us();
	token->until_us = token->since_us + oauth_lifetime_s(json_tree_member(answer, STR("expires_in"))) * 1000000;
	return NULL;
}

/* RFC 6749 5.2: the word that says what is wrong, if it is one. */
static struct str oauth_error_word(const struct json_node *answer)
{
	const struct json_node *error = json_tree_member(answer, STR("error"));
	if (!error || error->type != JSON_STRING || error->text.len > 40)
		return (struct str){ NULL, 0 };
	for (size_t i = 0; i < error->text.len; i++)
		if (error->text.ptr[i] != '_' && (error->text.ptr[i] < 'a' || error->text.ptr[i] > 'z'))
			return (struct str){ NULL, 0 };
	return error->text;
}

static void oauth_judge(struct oauth_token *token, const struct http_outcome *outcome, char *why, size_t why_bytes)
{
	struct json_node *answer = NULL;
	bool read = !outcome->truncated && json_tree_read(outcome->body, &token->arena, &answer, NULL) == E_OK;
	if (outcome->end != HTTP_END_ANSWERED) {
		snprintf(why, why_bytes, "%s", outcome->why);
	} else if (outcome->status != 200) {
		struct str word = read ? oauth_error_word(answer) : (struct str){ NULL, 0 };
		snprintf(why, why_bytes, "status %d%s" STR_FMT, outcome->status, word.len ? ", " : "", STR_ARG(word));
	} else {
		const char *wrong = read ? oauth_take(token, answer) : "the answer is not JSON, or longer than 64 KiB";
		snprintf(why, why_bytes, "%s", wrong ? wrong : "");
	}
}

static void oauth_on_done(void *context, const struct http_outcome *outcome)
{
	struct oauth_token *token = context;
	char why[256];
	oauth_judge(token, outcome, why, sizeof(why));
	oauth_drop_request(token);
	enum http_class http_class = outcome->end == HTTP_END_OURS ? HTTP_CLASS_OURS : HTTP_CLASS_AUTH;
	token->room->done(token->room->context, token, http_class, why[0] ? why : NULL);
}

/* ---- the question ---- */

static void oauth_put(struct buf *form, const char *name, struct str value)
{
	if (!value.len)
		return;
	if (form->len)
		buf_add_byte(form, '&');
	buf_add(form, str_of(name));
	buf_add_byte(form, '=');
	url_encode(form, value);
}

static struct str oauth_form(const struct oauth_wish *wish, struct arena *arena)
{
	struct buf form = { .max_bytes = OAUTH_FORM_BYTES };
	oauth_put(&form, "grant_type", STR("client_credentials"));
	oauth_put(&form, "scope", wish->scope);
	oauth_put(&form, "audience", wish->audience);
	if (wish->in_body) {
		oauth_put(&form, "client_id", wish->client_id);
		oauth_put(&form, "client_secret", wish->secret);
	}
	struct str copy = buf_ok(&form) ? arena_str(arena, buf_str(&form)) : (struct str){ NULL, 0 };
	if (form.ptr)
		bytes_wipe(form.ptr, form.len);
	buf_fini(&form);
	return copy;
}

/* RFC 6749 2.3.1: both are encoded as in a form before they are joined. */
static const char *oauth_authorization(const struct oauth_wish *wish, struct arena *arena)
{
	struct buf pair = { .max_bytes = OAUTH_FORM_BYTES };
	url_encode(&pair, wish->client_id);
	buf_add_byte(&pair, ':');
	url_encode(&pair, wish->secret);
	char *coded = buf_ok(&pair) ? arena_zalloc(arena, BASE64_BYTES(pair.len) + 1) : NULL;
	if (coded)
		base64_write(buf_str(&pair), coded);
	if (pair.ptr)
		bytes_wipe(pair.ptr, pair.len);
	buf_fini(&pair);
	return coded ? arena_printf(arena, "Authorization: Basic %s", coded) : NULL;
}

static enum err oauth_ask(struct oauth_token *token, const struct oauth_wish *wish)
{
	const char **headers = ARENA_ARRAY(&token->arena, const char *, 4);
	struct str url = arena_str(&token->arena, wish->token_url), form = oauth_form(wish, &token->arena);
	if (!headers || !url.ptr || !form.ptr)
		return E_NOMEM;
	headers[0] = "Content-Type: application/x-www-form-urlencoded";
	headers[1] = "Accept: application/json";
	headers[2] = "User-Agent: ruche/" RUCHE_VERSION;
	headers[3] = wish->in_body ? NULL : oauth_authorization(wish, &token->arena);
	if (!wish->in_body && !headers[3])
		return E_NOMEM;
	const struct http_request request = { .method = "POST", .url = url.ptr, .headers = headers, .header_count = wish->in_body ? 3 : 4, .body = form,
					      .timeout_ms = OAUTH_TIMEOUT_MS, .response_max = OAUTH_ANSWER_BYTES, .done = oauth_on_done, .context = token };
	return http_client_start(token->room->client, &request, &token->ticket);
}

static void oauth_sweep(struct oauth_list *bucket) /* what ended long ago: endpoints come and go */
{
	int64_t now_us = clock_mono_us();
	for (struct oauth_token *token = LIST_FIRST(bucket), *next; token; token = next) {
		next = LIST_NEXT(token, link);
		if (!token->ticket && token->until_us <= now_us)
			oauth_free(token);
	}
}

static struct oauth_token *oauth_make(struct oauth_room *room, uint32_t endpoint)
{
	oauth_sweep(oauth_bucket(room, endpoint));
	struct oauth_token *token = oauth_at(room, endpoint);
	if (token)
		return token;
	token = mem_zalloc(sizeof(*token));
	if (!token)
		return NULL;
	token->room = room;
	token->endpoint = endpoint;
	LIST_INSERT_HEAD(oauth_bucket(room, endpoint), token, link);
	return token;
}

enum err oauth_fetch(struct oauth_room *room, const struct oauth_wish *wish, const struct oauth_token **out)
{
	struct oauth_token *token = oauth_make(room, wish->endpoint);
	if (!token)
		return E_NOMEM;
	*out = token;
	if (token->ticket && oauth_is_for(token, wish))
		return E_OK;
	if (token->ticket) /* asked with settings or a secret of before: whoever waits for that, waits for this */
		http_client_cancel(room->client, token->ticket);
	oauth_drop_request(token);
	oauth_drop_text(token);
	token->version = wish->version;
	token->secret_hash = str_hash(wish->secret, room->seed);
	enum err err = oauth_ask(token, wish);
	if (err)
		oauth_drop_request(token);
	return err;
}
