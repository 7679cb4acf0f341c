/* src/deliver/shaping.h: a delivery's body being made by a program, in the pool of formats (format/pool.h). What came of it is a letter to the deliver
 * thread. All but the call-back within is of that thread. */
#pragma once
#include "deliver/program_table.h"
#include "format/pool.h"
#include "net/mailbox.h"

struct shaping {
	struct letter letter;       /* first */
	uint64_t uid;               /* of the delivery */
	bool came;                  /* set by who took the letter: the answer below is there */
	enum format_end end;
	struct str text;            /* owned; as format_outcome.text */
	int64_t us;                 /* as format_outcome.us */
	/* private */
	struct format_pool *pool;
	struct mailbox *box;
	struct format_program *program;
	uint64_t ticket;
	char input[];
};

#define SHAPING_SLOW_US 50000 /* two helpers make 40 such bodies a second: more of them at once would only wait */
/* Its program took so long that its endpoint should not have many under way. NULL: no. */
bool shaping_is_slow(const struct shaping *shaping);
/* E_NOMEM, E_TOO_LARGE: nothing was begun. */
MUST_USE enum err shaping_start(struct format_pool *pool, struct mailbox *box, uint64_t uid, struct format_program *program, struct str input,
				struct shaping **out);
void shaping_free(struct shaping *shaping); /* it came; NULL is fine */
/* Nobody wants it any more. If its letter is on its way already, whoever takes that frees it. NULL is fine. */
void shaping_drop(struct shaping *shaping);
