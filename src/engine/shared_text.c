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

enum err effect_set_named(struct effect *effect, enum named_kind kind, uint32_t number, struct queue_name name, struct shared_text *text)
{
	struct str space = name.namespace_name;
	char *names = mem_alloc(space.len + name.name.len + 1);
	if (!names)
		return E_NOMEM;
	memcpy(names, space.ptr, space.len);
	memcpy(names + space.len, name.name.ptr, name.name.len);
	effect->kind = EFFECT_NAMED;
	effect->named = (struct effect_named){ .kind = kind, .number = number, .namespace_name = { names, space.len },
		                               .name = { names + space.len, name.name.len }, .text = shared_text_hold(text) };
	return E_OK;
}

void effect_free(struct effect *effect)
{
	if (!effect)
		return;
	shared_text_drop(effect->settings);
	shared_text_drop(effect->endpoint);
	shared_text_drop(effect->named.text);
	mem_free((char *)(uintptr_t)effect->named.namespace_name.ptr); /* and the name behind it */
	mem_free(effect->riders);
	mem_free(effect);
}
