#include "daemon/keeper.h"
#include "base/check.h"
#include "base/log.h"
#include <stdlib.h>

#define KEEPER_LOOK_MS 500

extern char **environ;

const char *keeper_key_file(const struct config *config, char out[4096])
{
	if (*config->secrets_key_file)
		snprintf(out, 4096, "%s", config->secrets_key_file);
	else
		snprintf(out, 4096, "%s.key", config->store_path);
	return out;
}

enum err keeper_open_secrets(const struct config *config, bool keeps, struct secrets **out, struct problem *problem)
{
	char key_file[4096];
	const struct secrets_config wanted = { .path = config->secrets_path, .key_file = keeper_key_file(config, key_file),
					       .credentials = getenv("CREDENTIALS_DIRECTORY"), .environment = environ, .wipe_environment = keeps };
	return secrets_open(&wanted, out, problem);
}

static void keeper_look(struct keeper *keeper)
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

void keeper_reload(struct keeper *keeper)
{
	struct problem problem = { 0 };
	keeper_look(keeper);
	if (secrets_read_keys(keeper->secrets, &problem))
		log_event(LOG_ERROR, "secrets.refused", "at", problem.field, "detail", problem.detail, "kept", "the keys that were read before", NULL);
}

void keeper_put(struct secrets *secrets, const struct effect *effect)
{
	const struct effect_named *named = &effect->named;
	if (named->number == 0) {
		secrets_forget_stored(secrets);
		return;
	}
	if (named->kind != NAMED_SECRET)
		return;
	struct str sealed = named->text ? (struct str){ named->text->bytes, named->text->len } : (struct str){ 0 };
	if (secrets_put(secrets, named->namespace_name, named->name, sealed, named->text ? named->text->version : 0))
		log_event(LOG_ERROR, "secrets.no_memory", "name", log_str(named->name), "kept", "its values before, until the next start", NULL);
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
