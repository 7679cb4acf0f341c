#include "deliver/bundle.h"
#include "base/check.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/uid.h"
#include <stdio.h>

bool bundle_is_wanted(struct hook_room *room, const struct effect *effect)
{
	const struct endpoint_target *target = effect->endpoint ? endpoint_cache_take(&room->endpoints, effect->endpoint_number, effect->endpoint) : NULL;
	return target && target->usable && target->settings.batch.max;
}

struct bundle *bundle_new(const struct effect *effect)
{
	struct bundle *bundle = mem_zalloc(sizeof(*bundle));
	if (!bundle)
		return NULL;
	arena_init(&bundle->arena, 0);
	bundle->count = effect->rider_count + 1;
	bundle->parts = ARENA_ARRAY(&bundle->arena, struct bundle_part, bundle->count);
	if (!bundle->parts) {
		bundle_free(bundle);
		return NULL;
	}
	for (uint32_t i = 0; i < bundle->count; i++)
		bundle->parts[i] = (struct bundle_part){ .state = PART_SHAPING };
	bundle->parts[0].rider = (struct effect_rider){ .uid = effect->uid, .fence = effect->fence, .edited_body = effect->edited_body,
		.attempt = effect->attempt, .attempts_made = effect->attempts_made, .max_attempts = effect->max_attempts };
	for (uint32_t i = 1; i < bundle->count; i++)
		bundle->parts[i].rider = effect->riders[i - 1];
	return bundle;
}

void bundle_free(struct bundle *bundle)
{
	if (!bundle)
		return;
	for (uint32_t i = 0; bundle->parts && i < bundle->count; i++)
		shaping_drop(bundle->parts[i].shaping);
	shaping_drop(bundle->wrap);
	arena_fini(&bundle->arena);
	mem_free(bundle);
}

struct effect bundle_effect(const struct bundle *bundle, const struct effect *effect, uint32_t part)
{
	const struct effect_rider *rider = &bundle->parts[part].rider;
	struct effect alone = *effect;
	alone.uid = rider->uid;
	alone.fence = rider->fence;
	alone.edited_body = rider->edited_body;
	alone.attempt = rider->attempt;
	alone.attempts_made = rider->attempts_made;
	alone.max_attempts = rider->max_attempts;
	alone.riders = NULL;
	alone.rider_count = 0;
	return alone;
}

bool bundle_forget(struct bundle *bundle, uint64_t uid, uint64_t fence)
{
	for (uint32_t i = 0; i < bundle->count; i++) {
		struct bundle_part *part = &bundle->parts[i];
		if (part->state == PART_GONE || part->rider.uid != uid || (fence && fence < part->rider.fence))
			continue;
		part->state = PART_GONE;
		return true;
	}
	return false;
}

bool bundle_is_forgotten(const struct bundle *bundle)
{
	for (uint32_t i = 0; i < bundle->count; i++)
		if (bundle->parts[i].state != PART_GONE)
			return false;
	return true;
}

/* ---- each part alone ---- */

static void part_fail(struct bundle_part *part, enum http_class http_class, const char *detail)
{
	part->state = PART_FAILED;
	part->http_class = http_class;
	part->detail = detail ? detail : "there was not enough memory";
}

static enum err part_ask(struct bundle *bundle, struct bundle_part *part, const struct bundle_pool *pool, uint64_t uid, const struct hook_answer *answer)
{
	enum err err = shaping_start(pool->formats, pool->box, uid, answer->program, answer->input, &part->shaping);
	if (err == E_TOO_LARGE)
		part_fail(part, HTTP_CLASS_FORMAT, "the message is larger than what a program takes");
	else if (!err)
		bundle->waiting++;
	return err == E_TOO_LARGE ? E_OK : err;
}

static enum err part_read(struct bundle *bundle, uint32_t place, struct hook_room *room, const struct bundle_pool *pool, const struct effect *effect,
			  const struct job_view *view, int64_t now_us)
{
	struct bundle_part *part = &bundle->parts[place];
	struct effect alone = bundle_effect(bundle, effect, place);
	struct hook_answer answer = { .end = HOOK_CALL };
	enum err err = hook_prepare_part(room, &alone, view, now_us, &bundle->arena, &answer);
	part->trace = err ? STR("") : arena_str(&bundle->arena, view->definition.trace);
	if (err || !part->trace.ptr)
		return E_NOMEM;
	part->hook = answer.call.hook;
	switch (answer.end) {
	case HOOK_CALL:
		part->state = PART_BODY;
		part->body = answer.call.body;
		break;
	case HOOK_PROGRAM:
		return part_ask(bundle, part, pool, effect->uid, &answer);
	case HOOK_FILTERED:
		part->state = PART_FILTERED;
		part->reason = answer.reason;
		break;
	case HOOK_TOKEN: /* only a call asks for one */
	case HOOK_FAILED:
		part_fail(part, answer.http_class, arena_printf(&bundle->arena, "%s", answer.detail));
		break;
	}
	return E_OK;
}

static size_t view_bytes(const struct job_view *view)
{
	return view->edited_payload.len ? view->edited_payload.len : view->message.payload.len;
}

static enum err part_remember(struct bundle *bundle, struct bundle_part *part, const struct message_row *message)
{
	part->subject = (struct hook_subject){
		.meta = message->flags & MESSAGE_META, .test = message->flags & MESSAGE_TEST, .message = message->uid,
		.type = arena_str(&bundle->arena, message->type), .entity = arena_str(&bundle->arena, message->entity),
	};
	return part->subject.type.ptr && part->subject.entity.ptr ? E_OK : E_NOMEM;
}

/* This one and those behind it go with the next call. */
static void bundle_fill(struct bundle *bundle, uint32_t from)
{
	for (uint32_t i = from; i < bundle->count; i++)
		if (bundle->parts[i].state != PART_GONE)
			bundle->parts[i].state = PART_BACK;
	bundle->read = bundle->count;
	bundle->bytes = BUNDLE_BYTES;
}

static enum err bundle_read_part(struct bundle *bundle, struct hook_room *room, const struct bundle_pool *pool, const struct effect *effect,
				 const struct job_view *view, int64_t now_us)
{
	uint32_t place = bundle->read++;
	struct bundle_part *part = &bundle->parts[place];
	if (part->state == PART_GONE)
		return E_OK;
	if (!view->definition.uid) {
		part_fail(part, HTTP_CLASS_BAD_TARGET, "the job was deleted");
		return E_OK;
	}
	bundle->mixed |= !view->definition.message;
	enum err err = part_remember(bundle, part, &view->message);
	if (!bundle->group.ptr && !err) {
		bundle->group = arena_str(&bundle->arena, view->definition.group);
		bundle->namespace_name = arena_str(&bundle->arena, view->message.namespace_name);
		err = bundle->group.ptr && bundle->namespace_name.ptr ? E_OK : E_NOMEM;
	}
	bundle->bytes += view_bytes(view);
	if (bundle->bytes > BUNDLE_BYTES && place)
		bundle_fill(bundle, place);
	else if (!bundle->mixed && !err)
		err = part_read(bundle, place, room, pool, effect, view, now_us);
	return err;
}

enum err bundle_read(struct bundle *bundle, struct hook_room *room, const struct bundle_pool *pool, const struct effect *effect,
		    const struct job_view *views, uint32_t count, int64_t now_us)
{
	enum err err = E_OK;
	for (uint32_t i = 0; i < count && !bundle_is_read(bundle) && !err; i++)
		err = bundle_read_part(bundle, room, pool, effect, &views[i], now_us);
	return err;
}

/* What the program made of it. */
static void part_settle(struct bundle *bundle, struct bundle_part *part)
{
	const struct shaping *shaping = part->shaping;
	switch (shaping->end) {
	case FORMAT_VALUE:
		part->state = PART_BODY;
		part->body = shaping->text; /* the shaping stays */
		break;
	case FORMAT_NOTHING:
		part->state = PART_FILTERED;
		part->reason = "nothing";
		break;
	case FORMAT_OURS:
		part_fail(part, HTTP_CLASS_OURS, arena_printf(&bundle->arena, "the format could not be run: " STR_FMT, STR_ARG(shaping->text)));
		break;
	case FORMAT_ERROR:
	case FORMAT_KILLED:
		part_fail(part, HTTP_CLASS_FORMAT, arena_printf(&bundle->arena, STR_FMT, STR_ARG(shaping->text)));
		break;
	}
}

bool bundle_take_shape(struct bundle *bundle, struct shaping *shaping)
{
	uint32_t i = 0;
	while (i < bundle->count && bundle->parts[i].shaping != shaping)
		i++;
	if (i == bundle->count && bundle->wrap != shaping)
		return false;
	bundle->waiting--;
	if (i < bundle->count && bundle->parts[i].state == PART_SHAPING)
		part_settle(bundle, &bundle->parts[i]);
	return true;
}

/* ---- together ---- */

static void bundle_put_items(const struct bundle *bundle, struct buf *out)
{
	const char *comma = "";
	buf_add_byte(out, '[');
	for (uint32_t i = 0; i < bundle->count; i++) {
		if (bundle->parts[i].state != PART_BODY)
			continue;
		buf_add(out, str_of(comma));
		buf_add(out, bundle->parts[i].body);
		comma = ",";
	}
	buf_add_byte(out, ']');
}

static void bundle_put_wrapped(const struct bundle *bundle, const struct endpoint_settings *settings, struct buf *out)
{
	buf_add_lit(out, "{\"items\":");
	bundle_put_items(bundle, out);
	buf_add_lit(out, ",\"endpoint\":{");
	json_put_field_str(out, "name", bundle->group);
	json_put_field_raw(out, "tags", settings->tags.len ? settings->tags : STR("[]"));
	json_put_field_raw(out, "metadata", settings->metadata.len ? settings->metadata : STR("{}"));
	buf_add_lit(out, "}}");
}

/* "bat_", the first message, and what tells these messages from any others. */
static struct str bundle_name(struct bundle *bundle)
{
	char uid[UID_TEXT_BYTES];
	uint64_t hash = 0;
	uid_text(bundle->parts[bundle->first].hook->message, uid);
	for (uint32_t i = 0; i < bundle->count; i++)
		if (bundle->parts[i].state == PART_BODY)
			hash = map_mix(hash ^ bundle->parts[i].hook->message);
	return str_of(arena_printf(&bundle->arena, "bat_%s_%016llx", uid, (unsigned long long)hash));
}

static void bundle_count(struct bundle *bundle)
{
	bundle->size = 0;
	for (uint32_t i = 0; i < bundle->count; i++) {
		struct bundle_part *part = &bundle->parts[i];
		if (part->state != PART_BODY)
			continue;
		if (!bundle->size)
			bundle->first = i;
		part->nth = bundle->size++;
	}
}

static enum err bundle_ask_wrap(struct bundle *bundle, struct hook_room *room, const struct bundle_pool *pool, const struct effect *effect,
			       const struct endpoint_settings *settings, struct hook_answer *out, enum bundle_next *next)
{
	struct str name = settings->batch.wrap;
	struct format_program *program = room->programs ? program_table_find(room->programs, bundle->namespace_name, name) : NULL;
	*next = BUNDLE_FAILED;
	out->http_class = HTTP_CLASS_FORMAT;
	if (!program) {
		snprintf(out->detail, sizeof(out->detail), "no format \"" STR_FMT "\" is there", STR_ARG(name));
		return E_OK;
	}
	buf_clear(&room->text);
	bundle_put_wrapped(bundle, settings, &room->text);
	if (!buf_ok(&room->text))
		return E_NOMEM;
	enum err err = shaping_start(pool->formats, pool->box, effect->uid, program, buf_str(&room->text), &bundle->wrap);
	if (err == E_TOO_LARGE) {
		*next = BUNDLE_HALVES;
		snprintf(out->detail, sizeof(out->detail), "the messages are larger together than the %u MiB that a program takes", FRAME_INPUT_BYTES >> 20);
		return E_OK;
	}
	*next = BUNDLE_WAITS;
	bundle->waiting += !err;
	return err;
}

/* What the wrap made. */
static enum bundle_next bundle_take_wrap(struct bundle *bundle, struct hook_answer *out)
{
	const struct shaping *wrap = bundle->wrap;
	switch (wrap->end) {
	case FORMAT_VALUE:
		bundle->body = wrap->text;
		return BUNDLE_CALL;
	case FORMAT_NOTHING:
		for (uint32_t i = 0; i < bundle->count; i++)
			if (bundle->parts[i].state == PART_BODY) {
				bundle->parts[i].state = PART_FILTERED;
				bundle->parts[i].reason = "nothing";
			}
		bundle_count(bundle);
		return BUNDLE_UNSENT;
	case FORMAT_OURS:
		out->http_class = HTTP_CLASS_OURS;
		break;
	case FORMAT_ERROR:
	case FORMAT_KILLED:
		out->http_class = HTTP_CLASS_FORMAT;
		break;
	}
	snprintf(out->detail, sizeof(out->detail), "the wrap of the batch: " STR_FMT, STR_ARG(str_cut(wrap->text, 200)));
	return out->http_class == HTTP_CLASS_OURS ? BUNDLE_FAILED : BUNDLE_HALVES;
}

static enum err bundle_join(struct bundle *bundle, struct hook_room *room, const struct bundle_pool *pool, const struct effect *effect,
			   struct hook_answer *out, enum bundle_next *next)
{
	bundle_count(bundle);
	*next = BUNDLE_UNSENT;
	if (!bundle->size)
		return E_OK;
	const struct endpoint_target *target = endpoint_cache_take(&room->endpoints, effect->endpoint_number, effect->endpoint);
	bundle->id = target ? bundle_name(bundle) : (struct str){ 0 };
	if (!bundle->id.ptr)
		return E_NOMEM;
	bundle->is_joined = true;
	if (target->settings.batch.wrap.len)
		return bundle_ask_wrap(bundle, room, pool, effect, &target->settings, out, next);
	buf_clear(&room->text);
	bundle_put_items(bundle, &room->text);
	bundle->body = buf_ok(&room->text) ? arena_str(&bundle->arena, buf_str(&room->text)) : (struct str){ 0 };
	*next = BUNDLE_CALL;
	return bundle->body.ptr ? E_OK : E_NOMEM;
}

static enum err bundle_prepare(const struct bundle *bundle, struct hook_room *room, const struct effect *effect, int64_t now_us, struct arena *arena,
			      struct hook_answer *out)
{
	const struct bundle_part *first = &bundle->parts[bundle->first];
	const struct hook_parts parts = { .id = bundle->id, .body = bundle->body, .wrapped = bundle->wrap != NULL };
	const struct job_view view = { .definition = { .group = bundle->group, .trace = first->trace },
				       .message = { .uid = first->hook->message, .namespace_name = bundle->namespace_name } };
	const struct effect alone = bundle_effect(bundle, effect, bundle->first);
	return hook_prepare_batch(room, &alone, &view, &parts, now_us, arena, out);
}

enum err bundle_go_on(struct bundle *bundle, struct hook_room *room, const struct bundle_pool *pool, const struct effect *effect, int64_t now_us,
		     struct arena *arena, struct hook_answer *out, enum bundle_next *next)
{
	enum err err = E_OK;
	*next = bundle->mixed ? BUNDLE_ALONE : bundle->waiting ? BUNDLE_WAITS : BUNDLE_CALL;
	if (*next == BUNDLE_CALL && !bundle->is_joined)
		err = bundle_join(bundle, room, pool, effect, out, next);
	else if (*next == BUNDLE_CALL && bundle->wrap && !bundle->body.len)
		*next = bundle_take_wrap(bundle, out);
	return err || *next != BUNDLE_CALL ? err : bundle_prepare(bundle, room, effect, now_us, arena, out);
}
