#include "base/mem.h"
#include "secret/place.h"
#include "secret/snapshot.h"
#include "secret/watch.h"
#include <pthread.h>
#include <stdio.h>

#define SECRETS_FIRST_LOOKS 100 /* at the start: a place that is written to all this time is no place */

struct secrets {
	pthread_mutex_t door;         /* of `now` */
	struct secret_snapshot *now;
	struct watch watch;           /* secrets_look's */
	struct arena arena;           /* paths */
};

/* ---- the snapshot in force ---- */

/* Takes the rack. */
static enum err secrets_place(struct secrets *secrets, enum secret_place place, struct rack *rack)
{
	pthread_mutex_lock(&secrets->door);
	struct secret_snapshot *before = secrets->now, *next = snapshot_with(before, place, rack);
	secrets->now = next ? next : before;
	pthread_mutex_unlock(&secrets->door);
	rack_drop(rack);
	if (!next)
		return E_NOMEM;
	secret_snapshot_drop(before);
	return E_OK;
}

struct secret_snapshot *secrets_hold(struct secrets *secrets)
{
	pthread_mutex_lock(&secrets->door);
	struct secret_snapshot *held = snapshot_hold(secrets->now);
	pthread_mutex_unlock(&secrets->door);
	return held;
}

uint32_t secrets_count(struct secrets *secrets, enum secret_place place)
{
	struct secret_snapshot *held = secrets_hold(secrets);
	uint32_t count = held->racks[place] ? held->racks[place]->count : 0;
	secret_snapshot_drop(held);
	return count;
}

/* ---- looking ---- */

static enum err secrets_at(struct problem *problem, enum err err, const char *field)
{
	snprintf(problem->field, sizeof(problem->field), "%s", field);
	problem->err = err;
	return err;
}

static enum err secrets_no_memory(struct problem *problem)
{
	return problem_set(problem, E_NOMEM, "", "Not enough memory.");
}

static enum err secrets_look_once(struct secrets *secrets, bool *out_fresh, struct problem *problem)
{
	struct rack *rack;
	enum err err = watch_look(&secrets->watch, &rack, problem);
	*out_fresh = false;
	if (!err && !rack)
		return E_OK;
	if (!err && secrets_place(secrets, SECRET_FILE, rack)) {
		secrets->watch.again = true;
		err = secrets_no_memory(problem);
	}
	*out_fresh = !err;
	return err ? secrets_at(problem, err, "secrets.path") : E_OK;
}

enum secrets_news secrets_look(struct secrets *secrets, struct problem *problem)
{
	struct watch *watch = &secrets->watch;
	bool fresh, told;
	if (!watch->path)
		return SECRETS_SAME;
	if (secrets_look_once(secrets, &fresh, problem)) {
		told = strcmp(watch->told, problem->detail) == 0;
		memcpy(watch->told, problem->detail, sizeof(watch->told));
		return told ? SECRETS_SAME : SECRETS_REFUSED;
	}
	if (!fresh)
		return SECRETS_SAME;
	told = watch->told[0] != '\0';
	watch->told[0] = '\0';
	return watch->moved || told ? SECRETS_FRESH : SECRETS_SAME;
}

/* ---- opening ---- */

static enum err secrets_read_file(struct secrets *secrets, const char *path, struct problem *problem)
{
	if (!path || !*path)
		return E_OK;
	secrets->watch = (struct watch){ .path = arena_str(&secrets->arena, str_of(path)).ptr, .again = true };
	if (!secrets->watch.path)
		return secrets_at(problem, secrets_no_memory(problem), "secrets.path");
	enum err err = E_OK;
	bool fresh = false;
	for (int n = 0; n < SECRETS_FIRST_LOOKS && !err && !fresh; n++)
		err = secrets_look_once(secrets, &fresh, problem);
	if (!err && !fresh)
		err = problem_set(problem, E_CONFIG, "secrets.path", "'%s' is written to all the time.", path);
	return err ? secrets_at(problem, err, "secrets.path") : E_OK;
}

static enum err secrets_read_rest(struct secrets *secrets, const struct secrets_config *config, enum secret_place place, struct problem *problem)
{
	struct rack *rack = rack_new();
	enum err err = E_OK;
	if (!rack)
		err = secrets_no_memory(problem);
	else if (place == SECRET_CREDENTIAL)
		err = place_read_credentials(config->credentials, rack, problem);
	else
		err = place_read_environment(config->environment, config->wipe_environment, rack, problem);
	if (err || !rack->count)
		rack_drop(rack);
	else if (secrets_place(secrets, place, rack))
		err = secrets_no_memory(problem);
	return err ? secrets_at(problem, err, place == SECRET_CREDENTIAL ? "$CREDENTIALS_DIRECTORY" : "environment") : E_OK;
}

enum err secrets_open(const struct secrets_config *config, struct secrets **out, struct problem *problem)
{
	struct secrets *secrets = mem_zalloc(sizeof(*secrets));
	struct secret_snapshot *empty = secrets ? snapshot_with(NULL, SECRET_FILE, NULL) : NULL;
	if (!empty) {
		mem_free(secrets);
		return secrets_no_memory(problem);
	}
	secrets->now = empty;
	pthread_mutex_init(&secrets->door, NULL);
	enum err err = secrets_read_file(secrets, config->path, problem);
	if (!err && config->credentials && *config->credentials)
		err = secrets_read_rest(secrets, config, SECRET_CREDENTIAL, problem);
	if (!err && config->environment)
		err = secrets_read_rest(secrets, config, SECRET_ENVIRONMENT, problem);
	if (err) {
		secrets_close(secrets);
		return err;
	}
	*out = secrets;
	return E_OK;
}

void secrets_close(struct secrets *secrets)
{
	if (!secrets)
		return;
	secret_snapshot_drop(secrets->now);
	pthread_mutex_destroy(&secrets->door);
	arena_fini(&secrets->arena);
	mem_free(secrets);
}
