#include "store/wish.h"
#include "rules/match.h"

enum err wish_read(struct arena *arena, const struct named_row *endpoint, struct wish *out)
{
	struct problem problem = { 0 };
	struct json json;
	*out = (struct wish){ .endpoint = endpoint->number, .created_seq = endpoint->created_seq };
	endpoint_settings_default(&out->settings);
	json_init(&json, endpoint->text, arena, &problem);
	if (!endpoint_settings_read(&json, &out->settings))
		return problem.err == E_NOMEM ? E_NOMEM : E_INVALID;
	return out->settings.filter.len ? json_tree_read(out->settings.filter, arena, &out->filter, NULL) : E_OK;
}

enum err wish_takes(const struct wish *wish, const struct message_row *row, struct arena *scratch, bool *out)
{
	struct str channels[MESSAGE_CHANNELS];
	struct problem problem = { 0 };
	struct json json;
	uint32_t index, count = 0;
	*out = row->only == wish->endpoint;
	if (row->flags & MESSAGE_EXPUNGED)
		*out = false; /* what it said is not to be told any more */
	if (row->only || row->flags & MESSAGE_EXPUNGED || row->seq < wish->created_seq || !endpoint_wants_type(&wish->settings, row->type))
		return E_OK;
	json_init(&json, row->channels.len ? row->channels : STR("[]"), scratch, &problem);
	json_enter_array(&json);
	while (json_next_item(&json, &index) && index < MESSAGE_CHANNELS)
		if (json_read_str(&json, MESSAGE_TYPE_BYTES, &channels[index]))
			count = index + 1;
	*out = endpoint_wants_channels(&wish->settings, channels, count);
	return problem.err == E_NOMEM ? E_NOMEM : E_OK;
}

bool wish_looks_inside(const struct wish *wish, const struct message_row *row)
{
	return wish->filter && !row->only;
}

enum err wish_takes_payload(const struct wish *wish, struct str payload, struct arena *scratch, bool *out)
{
	struct json_node *value;
	enum err err = json_tree_read(payload, scratch, &value, NULL);
	*out = !err && match(wish->filter, value);
	return err == E_NOMEM ? E_NOMEM : E_OK;
}
