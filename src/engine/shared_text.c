/* src/engine/shared_text.c: text with holders, and the effects that carry it. */
#include "base/mem.h"
#include "engine/command.h"
#include <stdatomic.h>

struct shared_text *shared_text_new(struct str s, uint64_t version)
{
	struct shared_text *text = mem_alloc(sizeof(*text) + s.len + 1);
	if (!text)
		return NULL;
	atomic_init(&text->holders, 1);
	text->version = version;
	text->len = s.len;
	if (s.len)
		memcpy(text->bytes, s.ptr, s.len);
	text->bytes[s.len] = '\0';
	return text;
}

struct shared_text *shared_text_hold(struct shared_text *text)
{
	if (text)
		atomic_fetch_add_explicit(&text->holders, 1, memory_order_relaxed);
	return text;
}

void shared_text_drop(struct shared_text *text)
{
	if (text && atomic_fetch_sub_explicit(&text->holders, 1, memory_order_acq_rel) == 1)
		mem_free(text);
}

void effect_free(struct effect *effect)
{
	if (!effect)
		return;
	shared_text_drop(effect->settings);
	shared_text_drop(effect->endpoint);
	shared_text_drop(effect->named.text);
	mem_free(effect);
}
