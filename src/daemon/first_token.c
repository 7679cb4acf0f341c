#include "daemon/first_token.h"
#include "api/auth.h"
#include "base/check.h"
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

enum err first_token_make(struct first_token *out, const char *wanted, uint64_t number, int64_t wall_us, struct problem *problem)
{
	struct str text = str_of(wanted);
	*out = (struct first_token){ .made = text.len == 0 };
	CHECK(out->made || token_is_formed(text)); /* seen to when the configuration was read */
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
