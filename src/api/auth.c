#include "api/auth.h"
#include "base/base64.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/mem.h"
#include <openssl/crypto.h>
#include <openssl/evp.h>

_Static_assert(TOKEN_TEXT_BYTES == 4 + BASE64URL_BYTES(TOKEN_RANDOM_BYTES) + 1, "rch_, 43 characters and NUL");

/* ---- making ---- */

void token_text(const unsigned char random[TOKEN_RANDOM_BYTES], char out[TOKEN_TEXT_BYTES])
{
	memcpy(out, "rch_", 4);
	base64url_write((struct str){ (const char *)random, TOKEN_RANDOM_BYTES }, out + 4);
	out[TOKEN_TEXT_BYTES - 1] = '\0';
}

bool token_is_formed(struct str text)
{
	if (text.len != TOKEN_TEXT_BYTES - 1 || !str_starts(text, STR("rch_")))
		return false;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
			return false;
	}
	return true;
}

/* Fetched once: OpenSSL 3 looks algorithms up by name otherwise, which costs more than the hash. */
static const EVP_MD *token_digest(void)
{
	static EVP_MD *digest;
	if (!digest)
		digest = EVP_MD_fetch(NULL, "SHA256", NULL);
	return digest;
}

bool token_hash(struct str text, unsigned char out[TOKEN_HASH_BYTES])
{
	unsigned int bytes = 0;
	const EVP_MD *digest = token_digest();
	return digest && EVP_Digest(text.ptr, text.len, out, &bytes, digest, NULL) == 1 && bytes == TOKEN_HASH_BYTES;
}

static const struct {
	enum scope scope;
	const char *name;
} scope_names[] = {
	{ SCOPE_ENQUEUE, "enqueue" }, { SCOPE_WORK, "work" }, { SCOPE_READ, "read" }, { SCOPE_OPERATE, "operate" }, { SCOPE_ADMIN, "admin" },
	{ SCOPE_POLL, "poll" },
};

const char *scope_name(enum scope scope)
{
	for (size_t i = 0; i < ARRAY_COUNT(scope_names); i++)
		if (scope_names[i].scope == scope)
			return scope_names[i].name;
	return "";
}

enum err scopes_parse(struct str text, unsigned *out)
{
	unsigned scopes = 0;
	for (text = str_trim(text); text.len;) {
		size_t end = str_index(text, ' '), i = 0;
		struct str word = { text.ptr, end };
		while (i < ARRAY_COUNT(scope_names) && !str_eq(word, str_of(scope_names[i].name)))
			i++;
		if (i == ARRAY_COUNT(scope_names))
			return E_INVALID;
		scopes |= scope_names[i].scope;
		text = str_trim(str_from(text, end));
	}
	*out = scopes;
	return E_OK;
}

void scopes_write(unsigned scopes, struct buf *out)
{
	bool first = true;
	for (size_t i = 0; i < ARRAY_COUNT(scope_names); i++) {
		if (!(scopes & scope_names[i].scope))
			continue;
		if (!first)
			buf_add_byte(out, ' ');
		buf_add(out, str_of(scope_names[i].name));
		first = false;
	}
}

bool scopes_include(unsigned scopes, unsigned needed)
{
	return (scopes & SCOPE_ADMIN) || (scopes & needed) == needed;
}

/* ---- the roster ---- */

struct roster {
	uint32_t holders;
	struct arena arena;
	struct token **tokens;
	uint32_t count, capacity;
	struct map by_hash;
};

/* The hash is uniform by itself. */
static uint64_t roster_hash_key(const void *hash)
{
	uint64_t key;
	memcpy(&key, hash, sizeof(key));
	return key;
}

static uint64_t roster_hash_of(void *context, uint32_t item)
{
	const struct roster *roster = context;
	return roster_hash_key(roster->tokens[item]->row.hash.ptr);
}

static bool roster_equal(void *context, uint32_t item, const void *hash)
{
	const struct roster *roster = context;
	return CRYPTO_memcmp(roster->tokens[item]->row.hash.ptr, hash, TOKEN_HASH_BYTES) == 0;
}

struct roster *roster_new(void)
{
	struct roster *roster = mem_zalloc(sizeof(*roster));
	if (!roster)
		return NULL;
	roster->holders = 1;
	map_init(&roster->by_hash, roster_hash_of, roster);
	return roster;
}

struct roster *roster_hold(struct roster *roster)
{
	roster->holders++;
	return roster;
}

void roster_drop(struct roster *roster)
{
	if (!roster || --roster->holders)
		return;
	map_fini(&roster->by_hash);
	mem_free(roster->tokens);
	arena_fini(&roster->arena);
	mem_free(roster);
}

uint32_t roster_count(const struct roster *roster)
{
	return roster->count;
}

const struct token *roster_at(const struct roster *roster, uint32_t n)
{
	return roster->tokens[n];
}

const struct token *roster_find_number(const struct roster *roster, uint64_t number)
{
	for (uint32_t i = 0; i < roster->count; i++)
		if (roster->tokens[i]->row.number == number)
			return roster->tokens[i];
	return NULL;
}

static struct queue_name token_queue(struct str text)
{
	size_t slash = str_index(text, '/');
	if (slash == text.len)
		return (struct queue_name){ NAMESPACE_DEFAULT, text };
	return (struct queue_name){ namespace_of((struct str){ text.ptr, slash }), str_from(text, slash + 1) };
}

static enum err token_read_queues(struct token *token, struct arena *arena)
{
	struct json json;
	struct str text;
	uint32_t index, capacity = 0;
	if (!token->row.queues.len)
		return E_OK;
	json_init(&json, token->row.queues, arena, NULL);
	if (!json_enter_array(&json))
		return E_INVALID;
	while (json_next_item(&json, &index)) {
		if (!json_read_str(&json, 2 * LIMIT_NAME_BYTES + 1, &text))
			return E_INVALID;
		if (index == capacity) {
			struct queue_name *more = ARENA_ARRAY(arena, struct queue_name, capacity = capacity ? 2 * capacity : 8);
			if (!more)
				return E_NOMEM;
			if (index)
				memcpy(more, token->queues, index * sizeof(*more));
			token->queues = more;
		}
		token->queues[index] = token_queue(text);
		token->queue_count = index + 1;
	}
	return json_finish(&json) && token->queue_count ? E_OK : E_INVALID; /* "[]" must not read as "all" */
}

/* Everything of the row that is kept; E_INVALID leaves the arena a little fuller, no more. */
static enum err token_fill(struct token *token, const struct token_row *row, struct arena *arena)
{
	token->row = *row;
	struct str *texts[] = { &token->row.name, &token->row.hash, &token->row.prefix, &token->row.scopes, &token->row.queues };
	for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
		*texts[i] = arena_str(arena, *texts[i]);
		if (!texts[i]->ptr)
			return E_NOMEM;
	}
	if (row->hash.len != TOKEN_HASH_BYTES)
		return E_INVALID;
	enum err err = scopes_parse(token->row.scopes, &token->scopes);
	return err ? err : token_read_queues(token, arena);
}

static enum err roster_grow(struct roster *roster)
{
	uint32_t capacity = roster->capacity ? 2 * roster->capacity : 16;
	if (roster->count < roster->capacity)
		return E_OK;
	struct token **tokens = mem_realloc(roster->tokens, capacity * sizeof(*tokens));
	if (!tokens)
		return E_NOMEM;
	roster->tokens = tokens;
	roster->capacity = capacity;
	return E_OK;
}

enum err roster_add(struct roster *roster, const struct token_row *row)
{
	struct token *token = ARENA_NEW(&roster->arena, struct token);
	if (!token)
		return E_NOMEM;
	enum err err = token_fill(token, row, &roster->arena);
	if (!err)
		err = roster_grow(roster);
	if (err)
		return err;
	roster->tokens[roster->count] = token;
	err = map_put(&roster->by_hash, roster_hash_key(token->row.hash.ptr), roster->count);
	if (!err)
		roster->count++;
	return err;
}

/* ---- admitting ---- */

bool token_is_good(const struct token *token, int64_t now_us)
{
	return !token->row.revoked_us && (!token->row.expires_us || now_us < token->row.expires_us);
}

static struct str bearer_of(struct str authorization)
{
	struct str scheme = STR("Bearer ");
	if (authorization.len < scheme.len || !str_eq_nocase((struct str){ authorization.ptr, scheme.len }, scheme))
		return (struct str){ 0 };
	return str_trim(str_from(authorization, scheme.len));
}

enum err roster_admit(const struct roster *roster, struct str authorization, int64_t now_us, const struct token **out, struct problem *problem)
{
	unsigned char hash[TOKEN_HASH_BYTES];
	struct str bearer = bearer_of(authorization);
	if (!authorization.len)
		return problem_set(problem, E_UNAUTHORIZED, "Authorization", "No token was sent: add 'Authorization: Bearer rch_…'.");
	if (!token_is_formed(bearer))
		return problem_set(problem, E_UNAUTHORIZED, "Authorization", "Expected 'Bearer rch_…' with 43 characters after rch_.");
	if (!token_hash(bearer, hash))
		return problem_set(problem, E_NOMEM, "", "The token could not be hashed.");
	uint32_t item = map_find(&roster->by_hash, roster_hash_key(hash), roster_equal, hash);
	if (item == MAP_NONE)
		return problem_set(problem, E_UNAUTHORIZED, "Authorization", "This token is not known here.");
	const struct token *token = roster->tokens[item];
	if (token->row.revoked_us)
		return problem_set(problem, E_UNAUTHORIZED, "Authorization", "This token was revoked.");
	if (!token_is_good(token, now_us))
		return problem_set(problem, E_UNAUTHORIZED, "Authorization", "This token has expired.");
	*out = token;
	return E_OK;
}

bool token_allows(const struct token *token, struct queue_name queue)
{
	struct str space = namespace_of(queue.namespace_name);
	if (!token || !token->queue_count)
		return true;
	for (uint32_t i = 0; i < token->queue_count; i++)
		if (str_eq(token->queues[i].name, queue.name) && str_eq(token->queues[i].namespace_name, space))
			return true;
	return false;
}
