/* src/engine/namer.c: who names a format, a secret of the store or an event type: endpoints by their settings, sources by their verifier. */
#include "engine/engine_priv.h"

#define OWN_SECRET STR("endpoint/")
#define IN_STORE   STR("store:")

/* ---- secrets of an endpoint ---- */

struct secret_list {
	struct endpoint *endpoint;
	bool count_only;
};

static bool secret_add(void *context, const char *field, struct str secret)
{
	struct secret_list *list = context;
	(void)field;
	if (!list->count_only)
		list->endpoint->secrets[list->endpoint->secret_count] = secret;
	list->endpoint->secret_count++;
	return true;
}

enum err endpoint_list_secrets(struct endpoint *endpoint)
{
	struct secret_list list = { .endpoint = endpoint, .count_only = true };
	if (!endpoint_each_secret(&endpoint->value, &endpoint->arena, secret_add, &list))
		return E_NOMEM; /* it was checked before */
	if (!endpoint->secret_count)
		return E_OK;
	endpoint->secrets = ARENA_ARRAY(&endpoint->arena, struct str, endpoint->secret_count);
	endpoint->secret_count = 0;
	list.count_only = false;
	return endpoint->secrets && endpoint_each_secret(&endpoint->value, &endpoint->arena, secret_add, &list) ? E_OK : E_NOMEM;
}

static bool endpoint_signs_by_own(const struct endpoint_settings *settings)
{
	return settings->kind == ENDPOINT_PUSH && settings->sign.kind != ENDPOINT_SIGN_NONE && !settings->sign.secret.len;
}

/* ---- what each kind names ---- */

typedef void named_visit(void *context, const struct named *by, struct str name);

static struct str secret_in_store(struct str reference) /* one of a file, a credential or the environment has another prefix, and is none of ours */
{
	return str_starts(reference, IN_STORE) ? str_from(reference, IN_STORE.len) : reference;
}

static void endpoint_visit_formats(const struct named *named, named_visit *visit, void *context)
{
	const struct endpoint_settings *settings = &named->endpoint->value;
	visit(context, named, settings->format);
	if (settings->batch.wrap.len && !str_eq(settings->batch.wrap, settings->format))
		visit(context, named, settings->batch.wrap);
}

/* As it is; whom "fiche.*" means is no name. */
static void endpoint_visit_types(const struct named *named, named_visit *visit, void *context)
{
	const struct endpoint_words *types = &named->endpoint->value.types;
	for (uint32_t i = 0; i < types->count; i++) {
		bool again = false;
		for (uint32_t earlier = 0; earlier < i && !again; earlier++)
			again = str_eq(types->words[earlier], types->words[i]);
		if (!again)
			visit(context, named, types->words[i]);
	}
}

static enum err endpoint_visit_secrets(const struct named *named, struct arena *arena, named_visit *visit, void *context)
{
	const struct endpoint *endpoint = named->endpoint;
	for (uint32_t i = 0; i < endpoint->secret_count; i++) {
		bool again = false; /* in another place of the same settings */
		for (uint32_t earlier = 0; earlier < i && !again; earlier++)
			again = str_eq(secret_in_store(endpoint->secrets[earlier]), secret_in_store(endpoint->secrets[i]));
		if (!again)
			visit(context, named, secret_in_store(endpoint->secrets[i]));
	}
	if (!endpoint_signs_by_own(&endpoint->value))
		return E_OK;
	const char *own = arena_printf(arena, STR_FMT STR_FMT, STR_ARG(OWN_SECRET), STR_ARG(named->name));
	if (own)
		visit(context, named, str_of(own));
	return own ? E_OK : E_NOMEM;
}

/* Every name that somebody of the namespace uses, once for each who does. */
static enum err namers_walk(struct engine *engine, enum named_kind kind, struct str namespace_name, named_visit *visit, void *context)
{
	const struct index *index = &engine->index;
	struct arena *arena = &engine->scratch;
	enum err err = E_OK;
	for (uint32_t slot = 0; slot < index->nameds.used && !err; slot++) {
		const struct named *named = named_at(index, slot);
		if (!named->live || named->gone || !str_eq(named->namespace_name, namespace_name))
			continue;
		if (named->source && named->source->secret.len && kind == NAMED_SECRET)
			visit(context, named, secret_in_store(named->source->secret));
		else if (named->kind == NAMED_ENDPOINT && named->endpoint && kind == NAMED_FORMAT)
			endpoint_visit_formats(named, visit, context);
		else if (named->kind == NAMED_ENDPOINT && named->endpoint && kind == NAMED_EVENT_TYPE)
			endpoint_visit_types(named, visit, context);
		else if (named->kind == NAMED_ENDPOINT && named->endpoint)
			err = endpoint_visit_secrets(named, arena, visit, context);
	}
	return err;
}

/* ---- of one ---- */

struct first_namer {
	struct str name;
	const struct named *except, *first;
	uint64_t count;
};

static void first_visit(void *context, const struct named *by, struct str name)
{
	struct first_namer *wanted = context;
	if (by == wanted->except || !str_eq(name, wanted->name))
		return;
	if (!wanted->count++)
		wanted->first = by;
}

enum err namers_count(struct engine *engine, const struct named *named, const struct named *except, const struct named **first, uint64_t *count)
{
	struct first_namer wanted = { .name = named->name, .except = except };
	enum err err = namers_walk(engine, (enum named_kind)named->kind, named->namespace_name, first_visit, &wanted);
	*first = wanted.first;
	*count = wanted.count;
	return err;
}

/* ---- of a page ---- */

struct page_namers {
	struct request *request;
	struct named_info *infos; /* by name */
	uint32_t count;
	bool failed;
};

static struct named_info *page_find(const struct page_namers *page, struct str name)
{
	uint32_t low = 0, high = page->count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		int order = str_cmp(page->infos[middle].named.name, name);
		if (!order)
			return &page->infos[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static void page_visit(void *context, const struct named *by, struct str name)
{
	struct page_namers *page = context;
	struct named_info *info = page_find(page, name);
	if (!info || page->failed || info->namer_count++ >= NAMERS_TOLD)
		return;
	if (!info->namers)
		info->namers = ARENA_ARRAY(&page->request->arena, struct namer, NAMERS_TOLD);
	struct str copy = arena_str(&page->request->arena, by->name);
	page->failed = !info->namers || !copy.ptr;
	if (!page->failed)
		info->namers[info->namer_count - 1] = (struct namer){ (enum named_kind)by->kind, copy };
}

enum err namers_tell(struct engine *engine, struct request *request, enum named_kind kind, struct str namespace_name, struct named_info *infos, uint32_t count)
{
	struct page_namers page = { .request = request, .infos = infos, .count = count };
	if ((kind != NAMED_FORMAT && kind != NAMED_SECRET && kind != NAMED_EVENT_TYPE) || !count)
		return E_OK;
	enum err err = namers_walk(engine, kind, namespace_name, page_visit, &page);
	for (uint32_t i = 0; i < count; i++)
		infos[i].namers_known = true;
	return err ? err : page.failed ? E_NOMEM : E_OK;
}
