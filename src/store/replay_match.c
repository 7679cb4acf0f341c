#include "store/replay_match.h"
#include "base/json_tree.h"
#include "base/uid.h"
#include "rules/match.h"

enum err replay_match_init(struct replay_match *match, const struct query *query, const struct named_row *named, struct arena *arena)
{
	struct problem problem = { 0 };
	struct json_node *filter = NULL;
	struct json json;
	*match = (struct replay_match){ .query = query, .named = *named };
	endpoint_settings_default(&match->settings);
	json_init(&json, named->text, arena, &problem);
	if (!endpoint_settings_read(&json, &match->settings))
		return problem.err == E_NOMEM ? E_NOMEM : E_INVALID;
	enum err err = match->settings.filter.len ? json_tree_read(match->settings.filter, arena, &filter, NULL) : E_OK;
	match->filter = filter;
	return err == E_NOMEM ? err : err ? E_INVALID : E_OK;
}

bool replay_match_is_spent(const struct replay_match *match)
{
	return match->looked_at >= REPLAY_LOOKED_AT_MAX || match->looked_bytes >= REPLAY_PAYLOADS_BYTES;
}

static enum err match_channels(const struct replay_match *match, struct str text, struct arena *work, bool *out)
{
	struct message_channels channels;
	enum err err = message_channels_read(text, work, &channels);
	*out = endpoint_wants_channels(&match->settings, channels.names, channels.count);
	return err;
}

enum err replay_match_head(struct replay_match *match, const struct message_row *head, struct arena *work, bool *out)
{
	const struct replay *replay = match->query->replay;
	*out = false;
	match->looked_at++;
	if (match->query->as_of && head->seq > match->query->as_of)
		return E_OK;
	if (head->flags & (MESSAGE_TEST | MESSAGE_EXPUNGED) || !str_eq(head->namespace_name, match->named.namespace_name))
		return E_OK;
	if (replay->entity.len && !str_eq(head->entity, replay->entity))
		return E_OK;
	if (!replay_takes_type(replay, head->type))
		return E_OK;
	if (head->only) { /* whatever that wants */
		*out = head->only == match->named.number;
		return E_OK;
	}
	return endpoint_wants_type(&match->settings, head->type) ? match_channels(match, head->channels, work, out) : E_OK;
}

enum err replay_match_payload(struct replay_match *match_, struct str payload, struct arena *work, bool *out)
{
	struct json_node *value = NULL;
	match_->looked_bytes += payload.len;
	enum err err = payload.len ? json_tree_read(payload, work, &value, NULL) : E_OK;
	*out = !err && match(match_->filter, value);
	return err == E_NOMEM ? err : E_OK;
}

/* Who came later was made none of that time. */
bool replay_match_asks_kept(const struct replay_match *match, const struct message_row *message, uint64_t uid)
{
	return !uid && message->deliveries && message->seq >= match->named.created_seq;
}

/* While all deliveries of that time are there none was made for this endpoint. Otherwise its own may be among those that have gone. */
enum replay_stand replay_match_stand(struct replay_match *match, const struct message_row *message, uint64_t uid, enum job_state state, uint64_t kept)
{
	bool older = uid && message->seq < match->named.created_seq && uid < uid_floor(match->named.created_us) && job_state_is_final(state);
	bool asked = replay_match_asks_kept(match, message, uid);
	match->looked_at += asked ? (uint32_t)kept : 0; /* they were counted one by one */
	if (asked && kept < message->deliveries)
		return STANDS_UNKNOWN;
	return !uid || older ? STANDS_MISSING : replay_stand_of(state);
}

void replay_match_add(const struct replay_match *match, struct answer *answer, uint64_t message, enum replay_stand stand)
{
	answer->stands[stand]++;
	if (match->query->limit && replay_sends(match->query->replay->only, stand))
		answer->matches[answer->match_count++] = (struct match){ .uid = message };
}
