/* src/api/auth.h: who asks, and what they may. A token is "rch_" and 43 characters: 256 random bits in base64url. Only its SHA-256
 * is kept; all rows are cached here (a roster), found by the hash of what was presented and compared in constant time.
 *
 * A token may be limited to queues: "mail" (of the default namespace) or "namespace/name". Calls hold the roster that admitted
 * them, so that a new one can take its place at any moment. One thread. */
#pragma once
#include "engine/command.h"

#define TOKEN_RANDOM_BYTES 32
#define TOKEN_TEXT_BYTES   48 /* "rch_", 43 characters and NUL */
#define TOKEN_PREFIX_BYTES 8  /* "rch_ab12": shown to people */
#define TOKEN_HASH_BYTES   32

/* ---- making: also for the daemon's first admin token and `ruche token` ---- */
void token_text(const unsigned char random[TOKEN_RANDOM_BYTES], char out[TOKEN_TEXT_BYTES]);
/* Has it the form of one of ours? The API admits no other. */
bool token_is_formed(struct str text);
/* SHA-256 of the text; false when OpenSSL fails. */
MUST_USE bool token_hash(struct str text, unsigned char out[TOKEN_HASH_BYTES]);

/* "enqueue work" ↔ SCOPE_ENQUEUE | SCOPE_WORK. */
MUST_USE enum err scopes_parse(struct str text, unsigned *out); /* E_INVALID */
void scopes_write(unsigned scopes, struct buf *out);            /* blank-separated */
const char *scope_name(enum scope scope);
/* Admin includes all. */
bool scopes_include(unsigned scopes, unsigned needed);

/* ---- the roster ---- */
struct token {
	struct token_row row;
	unsigned scopes;
	struct queue_name *queues; /* namespace never empty */
	uint32_t queue_count;      /* 0: all */
};
struct roster;
struct roster *roster_new(void); /* empty, one holder; NULL: no memory */
/* E_INVALID: a row that makes no sense (written by something else) is left out. */
MUST_USE enum err roster_add(struct roster *roster, const struct token_row *row);
struct roster *roster_hold(struct roster *roster);
void roster_drop(struct roster *roster); /* NULL is fine; freed with its last holder */
uint32_t roster_count(const struct roster *roster);
const struct token *roster_at(const struct roster *roster, uint32_t n);
const struct token *roster_find_number(const struct roster *roster, uint64_t number);

/* The token of an Authorization header, if it is good now. E_UNAUTHORIZED with the reason. */
MUST_USE enum err roster_admit(const struct roster *roster, struct str authorization, int64_t now_us, const struct token **out,
                               struct problem *problem);
bool token_is_good(const struct token *token, int64_t now_us); /* not expired, not revoked */
/* May it touch this queue? An empty namespace is the default one. */
bool token_allows(const struct token *token, struct queue_name queue);

#define NAMESPACE_DEFAULT STR("default")
static inline struct str namespace_of(struct str name)
{
	return name.len ? name : NAMESPACE_DEFAULT;
}
