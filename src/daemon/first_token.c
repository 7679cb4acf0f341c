#include "daemon/first_token.h"
#include "api/auth.h"
#include <errno.h>
#include <sys/random.h>

static enum err first_token_fresh(char out[FIRST_TOKEN_BYTES])
{
	_Static_assert(TOKEN_TEXT_BYTES <= FIRST_TOKEN_BYTES, "a token of ours fits");
	unsigned char random[TOKEN_RANDOM_BYTES];
	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return E_UNAVAILABLE;
	token_text(random, out);
	return E_OK;
}

/* As those that we make: the API admits no other. */
static bool first_token_is_formed(struct str text)
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

enum err first_token_make(struct first_token *out, const char *wanted, uint64_t number, int64_t wall_us, struct problem *problem)
{
	struct str text = str_of(wanted);
	*out = (struct first_token){ .made = text.len == 0 };
	if (text.len && !first_token_is_formed(text))
		return problem_set(problem, E_CONFIG, "admin.token", "It is not 'rch_' and 43 letters, digits, '-' or '_': "
				   "echo rch_$(openssl rand -base64 32 | tr +/ -_ | tr -d =) makes one.");
	memcpy(out->text, text.ptr, text.len);
	if (out->made && first_token_fresh(out->text))
		return problem_set(problem, E_UNAVAILABLE, "admin.token", "The system gave no random bytes.");
	text = str_of(out->text);
	if (!token_hash(text, out->hash))
		return problem_set(problem, E_INTERNAL, "admin.token", "The hash of the token could not be made.");
	out->op = (struct op){ .kind = OP_TOKEN_PUT,
			       .token = { .number = number, .name = STR("admin"), .hash = { (const char *)out->hash, sizeof(out->hash) },
					  .prefix = { out->text, TOKEN_PREFIX_BYTES }, .scopes = STR("admin"), .created_us = wall_us } };
	out->request = (struct request){ .ops = &out->op, .op_count = 1, .dice = number };
	return E_OK;
}
