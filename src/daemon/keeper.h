/* src/daemon/keeper.h: opens the named secrets that the configuration speaks of, and looks after them on the loop, twice a second. */
#pragma once
#include "daemon/config.h"
#include "engine/command.h"
#include "secret/secret.h"
#include <uv.h>

const char *keeper_key_file(const struct config *config, char out[4096]); /* its path */
/* Also for `ruche doctor`; `keeps`: what the environment told is wiped there. */
MUST_USE enum err keeper_open_secrets(const struct config *config, bool keeps, struct secrets **out, struct problem *problem);

struct keeper {
	struct secrets *secrets;
	uv_timer_t timer;
	bool watches;
};
MUST_USE enum err keeper_open(struct keeper *keeper, const struct config *config, uv_loop_t *loop, struct problem *problem);
void keeper_reload(struct keeper *keeper); /* looks at once, and reads the key file anew; what is new is logged */
/* EFFECT_NAMED of a secret, on any thread. */
void keeper_put(struct secrets *secrets, const struct effect *effect);
void keeper_close(struct keeper *keeper); /* the loop is run afterwards, for the handle; zeroed ones are fine */
