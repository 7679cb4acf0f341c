/* src/daemon/keeper.h: opens the named secrets that the configuration speaks of, and looks after them on the loop, twice a second. */
#pragma once
#include "daemon/config.h"
#include "secret/secret.h"
#include <uv.h>

/* Also for `ruche doctor`; `keeps`: what the environment told is wiped there. */
MUST_USE enum err keeper_open_secrets(const struct config *config, bool keeps, struct secrets **out, struct problem *problem);

struct keeper {
	struct secrets *secrets;
	uv_timer_t timer;
	bool watches;
};
MUST_USE enum err keeper_open(struct keeper *keeper, const struct config *config, uv_loop_t *loop, struct problem *problem);
void keeper_look(struct keeper *keeper); /* now; what is new is logged */
void keeper_close(struct keeper *keeper); /* the loop is run afterwards, for the handle; zeroed ones are fine */
