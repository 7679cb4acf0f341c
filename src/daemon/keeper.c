#include "daemon/keeper.h"
#include "base/check.h"
#include "base/log.h"
#include <stdlib.h>

#define KEEPER_LOOK_MS 500

extern char **environ;

enum err keeper_open_secrets(const struct config *config, bool keeps, struct secrets **out, struct problem *problem)
{
	const struct secrets_config wanted = { .path = config->secrets_path, .credentials = getenv("CREDENTIALS_DIRECTORY"), .environment = environ,
					       .wipe_environment = keeps };
	return secrets_open(&wanted, out, problem);
}

void keeper_look(struct keeper *keeper)
{
	struct problem problem = { 0 };
	switch (secrets_look(keeper->secrets, &problem)) {
	case SECRETS_SAME: break;
	case SECRETS_FRESH:
		log_event(LOG_INFO, "secrets.read", "secrets", log_i64(secrets_count(keeper->secrets, SECRET_FILE)), NULL);
		break;
	case SECRETS_REFUSED:
		log_event(LOG_ERROR, "secrets.refused", "at", problem.field, "detail", problem.detail, "kept", "what was read before", NULL);
		break;
	}
}

static void keeper_ticked(uv_timer_t *handle)
{
	keeper_look(handle->data);
}

enum err keeper_open(struct keeper *keeper, const struct config *config, uv_loop_t *loop, struct problem *problem)
{
	*keeper = (struct keeper){ 0 };
	enum err err = keeper_open_secrets(config, true, &keeper->secrets, problem);
	if (err || !*config->secrets_path)
		return err;
	keeper->watches = true;
	keeper->timer.data = keeper;
	CHECK(uv_timer_init(loop, &keeper->timer) == 0);
	CHECK(uv_timer_start(&keeper->timer, keeper_ticked, KEEPER_LOOK_MS, KEEPER_LOOK_MS) == 0);
	uv_unref((uv_handle_t *)&keeper->timer); /* it alone keeps no loop going */
	return E_OK;
}

void keeper_close(struct keeper *keeper)
{
	if (keeper->watches)
		uv_close((uv_handle_t *)&keeper->timer, NULL);
	keeper->watches = false;
	secrets_close(keeper->secrets);
	keeper->secrets = NULL;
}
