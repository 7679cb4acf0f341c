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
	struct message_channels channels;
	*out = row->only == wish->endpoint;
	if (row->flags & MESSAGE_EXPUNGED)
		*out = false; /* what it said is not to be told any more */
	if (row->only || row->flags & MESSAGE_EXPUNGED || row->seq < wish->created_seq || !endpoint_wants_type(&wish->settings, row->type))
		return E_OK;
	enum err err = message_channels_read(row->channels, scratch, &channels);
	*out = endpoint_wants_channels(&wish->settings, channels.names, channels.count);
	return err;
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
