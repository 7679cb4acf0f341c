#include "store/hold.h"
#include "base/json_tree.h"

bool hold_concerns(const struct job_view *view)
{
	return view->definition.message && !job_state_is_final(view->row.state) && view->row.state != JOB_ACTIVE;
}

enum err hold_since(struct str health, struct arena *arena, int64_t *out_us)
{
	struct json_node *tree;
	*out_us = 0;
	enum err err = health.len ? json_tree_read(health, arena, &tree, NULL) : E_INVALID;
	const struct json_node *member = err ? NULL : json_tree_member(tree, STR("held_since_us"));
	if (member && member->type == JSON_NUMBER && member->whole)
		*out_us = member->integer;
	return err == E_NOMEM ? err : E_OK;
}
