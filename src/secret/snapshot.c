#include "secret/snapshot.h"
#include "base/mem.h"
#include "secret/place.h"

struct secret_snapshot *snapshot_with(const struct secret_snapshot *before, enum secret_place place, struct rack *rack)
{
	struct secret_snapshot *snapshot = mem_zalloc(sizeof(*snapshot));
	if (!snapshot)
		return NULL;
	atomic_init(&snapshot->holders, 1);
	for (enum secret_place at = 0; at < SECRET_PLACE_COUNT; at++)
		snapshot->racks[at] = rack_hold(at == place ? rack : before ? before->racks[at] : NULL);
	return snapshot;
}

struct secret_snapshot *snapshot_hold(struct secret_snapshot *snapshot)
{
	atomic_fetch_add_explicit(&snapshot->holders, 1, memory_order_relaxed);
	return snapshot;
}

void secret_snapshot_drop(struct secret_snapshot *snapshot)
{
	if (!snapshot || atomic_fetch_sub_explicit(&snapshot->holders, 1, memory_order_acq_rel) > 1)
		return;
	for (enum secret_place place = 0; place < SECRET_PLACE_COUNT; place++)
		rack_drop(snapshot->racks[place]);
	mem_free(snapshot);
}

/* ---- finding ---- */

struct wanted {
	struct str namespace_name, name;
	unsigned places; /* a bit each */
};

static const char *const place_words[] = {
#define X(name, word) [SECRET_##name] = word,
	SECRET_PLACES(X)
#undef X
};

static struct wanted read_reference(struct str namespace_name, struct str reference)
{
	struct wanted wanted = { namespace_name.len ? namespace_name : STR("default"), reference, ~0u };
	size_t colon = str_index(reference, ':');
	for (enum secret_place place = 0; place < SECRET_PLACE_COUNT && colon < reference.len; place++) {
		if (str_eq((struct str){ reference.ptr, colon }, str_of(place_words[place]))) {
			wanted.name = str_from(reference, colon + 1);
			wanted.places = 1u << place;
		}
	}
	return wanted;
}

/* "x/y" is a name of namespace x, but "endpoint/y" is of none: that is what the secret of an endpoint y is called in each namespace. */
static bool is_common(struct str name)
{
	return str_index(name, '/') == name.len || str_starts(name, STR("endpoint/"));
}

/* The namespace's own; a name that says the namespace itself is one of those. */
static const struct rack_entry *find_own(const struct rack *rack, const struct wanted *wanted)
{
	const struct str own[] = { wanted->namespace_name, STR("/"), wanted->name };
	const struct rack_entry *entry = rack_find(rack, own, ARRAY_COUNT(own));
	bool says_it = str_starts(wanted->name, wanted->namespace_name) && str_starts(str_from(wanted->name, wanted->namespace_name.len), STR("/"));
	return entry || !says_it || is_common(wanted->name) ? entry : rack_find(rack, &wanted->name, 1);
}

/* Of no namespace: everybody's. The store has none of those, but its own are asked for in this turn. */
static const struct rack_entry *find_common(const struct secret_snapshot *snapshot, enum secret_place place, const struct wanted *wanted)
{
	char folded[256];
	struct str name = place == SECRET_ENVIRONMENT ? place_environment_name(wanted->name, folded) : wanted->name;
	if (place == SECRET_STORE)
		return find_own(snapshot->racks[place], wanted);
	return is_common(wanted->name) ? rack_find(snapshot->racks[place], &name, 1) : NULL;
}

static const struct rack_entry *find_entry(const struct secret_snapshot *snapshot, const struct wanted *wanted)
{
	const struct rack_entry *entry = wanted->places & 1u << SECRET_FILE ? find_own(snapshot->racks[SECRET_FILE], wanted) : NULL;
	for (enum secret_place place = 0; place < SECRET_PLACE_COUNT && !entry; place++)
		entry = wanted->places & 1u << place ? find_common(snapshot, place, wanted) : NULL;
	return entry;
}

bool secret_find(const struct secret_snapshot *snapshot, struct str namespace_name, struct str reference, int64_t now_us, struct secret *out)
{
	const struct wanted wanted = read_reference(namespace_name, reference);
	const struct rack_entry *entry = find_entry(snapshot, &wanted);
	*out = (struct secret){ 0 };
	for (uint32_t i = 0; entry && i < entry->count; i++) {
		if (!entry->values[i].until_us || entry->values[i].until_us > now_us)
			out->values[out->count++] = entry->values[i];
	}
	return out->count > 0;
}

/* ---- names ---- */

void secret_names(const struct secret_snapshot *snapshot, enum secret_place place, struct str namespace_name,
		  void (*visit)(void *context, enum secret_place place, struct str name), void *context)
{
	const struct rack *rack = snapshot->racks[place];
	for (const struct rack_entry *entry = rack ? rack->first : NULL; entry; entry = entry->next) {
		struct str rest = str_from(entry->name, namespace_name.len);
		if (is_common(entry->name))
			visit(context, place, entry->name);
		else if (str_starts(entry->name, namespace_name) && str_starts(rest, STR("/")))
			visit(context, place, str_from(rest, 1));
	}
}

const char *secret_place_word(enum secret_place place)
{
	return place_words[place];
}
