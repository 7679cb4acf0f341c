#include "secret/watch.h"

enum err watch_look(struct watch *watch, struct rack **out, struct problem *problem)
{
	struct place_mark before, after;
	*out = NULL;
	enum err err = place_look(watch->path, &before, problem);
	watch->moved = !err && before.hash != watch->mark.hash;
	if (!err && !watch->moved && !watch->again)
		return E_OK;
	watch->again = true;
	if (err)
		return err;
	struct rack *rack = rack_new(SECRET_PLACE_MAX);
	err = rack ? place_read(watch->path, rack, problem) : problem_set(problem, E_NOMEM, "", "Not enough memory.");
	bool steady = place_look(watch->path, &after, NULL) == E_OK && after.hash == before.hash;
	if (steady) {
		watch->mark = before;
		watch->again = watch->moved || err == E_NOMEM;
	}
	if (!err && steady) {
		*out = rack;
		return E_OK;
	}
	rack_drop(rack);
	return steady || err == E_NOMEM ? err : E_OK;
}
