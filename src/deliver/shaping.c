#include "deliver/shaping.h"
#include "base/mem.h"

void shaping_free(struct shaping *shaping)
{
	if (!shaping)
		return;
	format_program_drop(shaping->program);
	mem_free((char *)(uintptr_t)shaping->text.ptr);
	mem_free(shaping);
}

static void shaping_done(void *context, const struct format_outcome *outcome) /* on the pool's thread */
{
	struct shaping *shaping = context;
	char *copy = outcome->text.len ? mem_alloc(outcome->text.len) : NULL;
	shaping->end = outcome->text.len && !copy ? FORMAT_OURS : outcome->end;
	shaping->us = outcome->us;
	if (copy) {
		memcpy(copy, outcome->text.ptr, outcome->text.len);
		shaping->text = (struct str){ copy, outcome->text.len };
	}
	mailbox_post(shaping->box, &shaping->letter);
}

enum err shaping_start(struct format_pool *pool, struct mailbox *box, uint64_t uid, struct format_program *program, struct str input,
		       struct shaping **out)
{
	struct shaping *shaping = mem_zalloc(sizeof(*shaping) + input.len);
	if (!shaping)
		return E_NOMEM;
	shaping->uid = uid;
	shaping->pool = pool;
	shaping->box = box;
	shaping->program = format_program_hold(program);
	memcpy(shaping->input, input.ptr, input.len);
	const struct format_job job = { .program = program->text, .input = { shaping->input, input.len }, .done = shaping_done, .context = shaping };
	enum err err = format_run(pool, &job, &shaping->ticket);
	if (err) {
		shaping_free(shaping);
		return err;
	}
	*out = shaping;
	return E_OK;
}

bool shaping_is_slow(const struct shaping *shaping)
{
	return shaping && (shaping->end == FORMAT_KILLED || shaping->us >= SHAPING_SLOW_US);
}

void shaping_drop(struct shaping *shaping)
{
	if (shaping && (shaping->came || format_cancel(shaping->pool, shaping->ticket)))
		shaping_free(shaping);
}
