#include "base/check.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "secret/place.h"
#include "secret/seal.h"
#include "secret/snapshot.h"
#include "secret/stored.h"
#include "secret/values.h"
#include "secret/watch.h"
#include <pthread.h>
#include <stdio.h>

#define SECRETS_FIRST_LOOKS 100 /* at the start: a place that is written to all this time is no place */

struct secrets {
	pthread_mutex_t door;         /* of the next three */
	struct secret_snapshot *now;
	struct stored stored;         /* when it has changed, `now` is made anew at the next hold, once for many changes */
	struct key_ring ring;
	const char *key_file;         /* NULL: none */
	struct watch watch;           /* secrets_look's */
	struct arena arena;           /* paths */
};

/* ---- the snapshot in force ---- */

/* Takes the rack. The door is closed. What was in force is *out_before's, to be dropped when the door is open. */
static enum err secrets_replace(struct secrets *secrets, enum secret_place place, struct rack *rack, struct secret_snapshot **out_before)
{
	struct secret_snapshot *next = snapshot_with(secrets->now, place, rack);
	rack_drop(rack);
	if (!next)
		return E_NOMEM;
	*out_before = secrets->now;
	secrets->now = next;
	return E_OK;
}

static enum err secrets_place(struct secrets *secrets, enum secret_place place, struct rack *rack)
{
	struct secret_snapshot *before = NULL;
	pthread_mutex_lock(&secrets->door);
	enum err err = secrets_replace(secrets, place, rack, &before);
	pthread_mutex_unlock(&secrets->door);
	secret_snapshot_drop(before);
	return err;
}

/* Without memory the next hold tries again, and this one is of what was there before. */
static void secrets_take_stored(struct secrets *secrets, struct secret_snapshot **out_before)
{
	struct rack *rack;
	if (!secrets->stored.changed || stored_rack(&secrets->stored, &secrets->ring, secrets->now->racks[SECRET_STORE], &rack))
		return;
	if (secrets_replace(secrets, SECRET_STORE, rack, out_before)) {
		stored_renew(&secrets->stored); /* what is in no rack is opened again */
		secrets->stored.changed = true;
	}
}

struct secret_snapshot *secrets_hold(struct secrets *secrets)
{
	struct secret_snapshot *before = NULL;
	pthread_mutex_lock(&secrets->door);
	secrets_take_stored(secrets, &before);
	struct secret_snapshot *held = snapshot_hold(secrets->now);
	pthread_mutex_unlock(&secrets->door);
	secret_snapshot_drop(before);
	return held;
}

enum err secrets_put(struct secrets *secrets, struct str namespace_name, struct str name, struct str sealed, uint64_t version)
{
	pthread_mutex_lock(&secrets->door);
	enum err err = stored_put(&secrets->stored, namespace_name, name, sealed, version);
	pthread_mutex_unlock(&secrets->door);
	return err;
}

void secrets_forget_stored(struct secrets *secrets)
{
	pthread_mutex_lock(&secrets->door);
	stored_clear(&secrets->stored);
	pthread_mutex_unlock(&secrets->door);
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

/* ---- keys and sealing ---- */

static enum err secrets_keys_at(struct problem *problem, enum err err)
{
	return secrets_at(problem, err, "secrets.key_file");
}

enum err secrets_read_keys(struct secrets *secrets, struct problem *problem)
{
	struct key_ring ring, old;
	if (!secrets->key_file)
		return E_OK;
	enum err err = key_ring_read(secrets->key_file, &ring, problem);
	if (err)
		return secrets_keys_at(problem, err);
	pthread_mutex_lock(&secrets->door);
	old = secrets->ring;
	secrets->ring = ring;
	stored_renew(&secrets->stored);
	pthread_mutex_unlock(&secrets->door);
	key_ring_fini(&old);
	return E_OK;
}

uint32_t secrets_keys(struct secrets *secrets)
{
	pthread_mutex_lock(&secrets->door);
	uint32_t count = secrets->ring.count;
	pthread_mutex_unlock(&secrets->door);
	return count;
}

/* Nothing is sealed under a key that is not on disk. */
static enum err secrets_need_key(struct secrets *secrets, struct problem *problem)
{
	if (!secrets->key_file)
		return secrets_keys_at(problem, problem_set(problem, E_CONFIG, "", "Without a key file nothing is sealed."));
	if (secrets_keys(secrets))
		return E_OK;
	enum err err = key_ring_make(secrets->key_file, problem);
	if (err && err != E_CONFLICT) /* somebody else's is as good */
		return secrets_keys_at(problem, err);
	return secrets_read_keys(secrets, problem);
}

static enum err secret_seal_refused(struct problem *problem, enum err err)
{
	if (err == E_TOO_LARGE)
		return problem_set(problem, err, "value", "Sealed, all values together have more than %d bytes.", LIMIT_NAMED_BYTES);
	if (err == E_INVALID)
		return problem_set(problem, err, "value", "A value is text (UTF-8) of 1 byte to 64 KiB without NUL.");
	return err ? secrets_no_memory(problem) : E_OK;
}

enum err secret_seal(struct secrets *secrets, struct str namespace_name, struct str name, const struct secret *secret,
		     const unsigned char nonce[SECRET_NONCE_BYTES], struct buf *out, struct problem *problem)
{
	enum err err = secrets_need_key(secrets, problem);
	if (err)
		return err;
	size_t before = out->len;
	pthread_mutex_lock(&secrets->door);
	err = secrets->ring.count ? seal_write(&secrets->ring.keys[0], namespace_name, name, secret, nonce, out) : E_CONFIG;
	pthread_mutex_unlock(&secrets->door);
	if (err)
		out->len = before;
	return err == E_CONFIG ? secrets_keys_at(problem, problem_set(problem, err, "", "The key file was taken away just now."))
			       : secret_seal_refused(problem, err);
}

enum err secret_seal_body(struct secrets *secrets, struct str namespace_name, struct str name, struct str body,
			  const unsigned char nonce[SECRET_NONCE_BYTES], struct buf *out, struct problem *problem)
{
	struct vault vault = { 0 };
	struct arena arena;
	struct json json;
	struct secret secret;
	if (!vault_arena(&vault, secret_values_arena_bytes(body.len), &arena))
		return secrets_no_memory(problem);
	json_init(&json, body, &arena, problem);
	enum err err = secret_body_read(&json, &secret) ? secret_seal(secrets, namespace_name, name, &secret, nonce, out, problem) : problem->err;
	CHECK(!arena.chunks); /* nothing was decoded anywhere else */
	vault_fini(&vault);
	return err;
}

void secret_tell(struct secrets *secrets, struct str namespace_name, struct str name, struct secret_told *out)
{
	struct vault vault = { 0 };
	struct secret secret = { 0 };
	*out = (struct secret_told){ 0 };
	pthread_mutex_lock(&secrets->door);
	const struct stored_entry *entry = stored_find(&secrets->stored, namespace_name, name);
	struct str sealed = entry ? stored_sealed(entry) : (struct str){ 0 };
	if (sealed.ptr && !secret_sealed_key(sealed, out->key))
		out->key[0] = '\0';
	out->sealed = !sealed.ptr || seal_read(&secrets->ring, namespace_name, name, sealed, &vault, &secret) != E_OK;
	pthread_mutex_unlock(&secrets->door);
	out->count = out->sealed ? 0 : secret.count;
	for (uint32_t i = 0; i < out->count; i++)
		out->until_us[i] = secret.values[i].until_us;
	vault_fini(&vault);
}

struct secret_memory {
	struct vault vault;
};

enum err secret_unseal(struct secrets *secrets, struct str namespace_name, struct str name, struct str sealed, struct secret_open *out)
{
	struct secret_memory *memory = mem_zalloc(sizeof(*memory));
	*out = (struct secret_open){ .memory = memory };
	if (!memory)
		return E_NOMEM;
	pthread_mutex_lock(&secrets->door);
	enum err err = seal_read(&secrets->ring, namespace_name, name, sealed, &memory->vault, &out->secret);
	pthread_mutex_unlock(&secrets->door);
	if (err)
		secret_open_fini(out);
	return err;
}

void secret_open_fini(struct secret_open *open)
{
	if (open->memory)
		vault_fini(&open->memory->vault);
	mem_free(open->memory);
	*open = (struct secret_open){ 0 };
}

static bool secrets_first_key_is(struct secrets *secrets, struct str id)
{
	pthread_mutex_lock(&secrets->door);
	bool is = secrets->ring.count && str_eq(str_of(secrets->ring.keys[0].id), id);
	pthread_mutex_unlock(&secrets->door);
	return is;
}

enum err secret_reseal(struct secrets *secrets, struct str namespace_name, struct str name, struct str sealed,
		       const unsigned char nonce[SECRET_NONCE_BYTES], bool *out_needed, struct buf *out, struct problem *problem)
{
	char id[SECRET_KEY_ID_BYTES + 1];
	struct secret_open open;
	*out_needed = false;
	if (secret_sealed_key(sealed, id) && secrets_first_key_is(secrets, str_of(id)))
		return E_OK;
	enum err err = secret_unseal(secrets, namespace_name, name, sealed, &open);
	if (err)
		return problem_set(problem, err, "", "%s", err == E_INVALID ? "The sealed text is damaged: PUT the secret anew." : err_sentence(err));
	err = secret_seal(secrets, namespace_name, name, &open.secret, nonce, out, problem);
	secret_open_fini(&open);
	*out_needed = !err;
	return err;
}

void secret_rotate(struct secret *secret, struct str value, int64_t now_us, int64_t old_until_us)
{
	struct secret rotated = { .values = { { .bytes = value } }, .count = 1 };
	for (uint32_t i = 0; i < secret->count && rotated.count < SECRET_VALUES; i++) {
		struct secret_value old = secret->values[i];
		if (!old.until_us || old.until_us > old_until_us)
			old.until_us = old_until_us;
		if (old.until_us > now_us && !str_eq(old.bytes, value))
			rotated.values[rotated.count++] = old;
	}
	*secret = rotated;
}

/* ---- changing what the store has ---- */

/* Opened under the door: entries move. */
static enum err secrets_open_stored(struct secrets *secrets, struct secret_rotation *rotation, struct vault *vault, struct secret *out)
{
	pthread_mutex_lock(&secrets->door);
	const struct stored_entry *entry = stored_find(&secrets->stored, rotation->namespace_name, rotation->name);
	enum err err = entry ? seal_read(&secrets->ring, rotation->namespace_name, rotation->name, stored_sealed(entry), vault, out) : E_SECRET_NOT_FOUND;
	rotation->version = entry ? entry->version : 0;
	pthread_mutex_unlock(&secrets->door);
	return err == E_INVALID ? E_SECRET_SEALED : err;
}

/* Of a key to sign with: what another one would be made as. */
static enum secret_make secret_kind(struct str value)
{
	return str_starts(value, STR("whsec_")) ? SECRET_MAKE_V1 : str_starts(value, STR("whsk_")) ? SECRET_MAKE_V1A : SECRET_MAKE_NONE;
}

static enum err secret_rotate_read(struct secrets *secrets, struct secret_rotation *rotation, struct json *json, struct vault *vault,
				   struct problem *problem)
{
	struct rotation_body body;
	struct secret secret = { 0 };
	if (!secret_rotation_read(json, &body))
		return problem->err;
	enum err err = secrets_open_stored(secrets, rotation, vault, &secret);
	if (err)
		return problem_set(problem, err, "", "%s", err_sentence(err));
	rotation->took = body.value.ptr || body.make ? body.make : secret_kind(secret.values[0].bytes);
	if (!body.value.ptr && !rotation->took)
		return problem_set(problem, E_INVALID, "value",
				   "Say the new value, or what to make: without both, a key is made only where one that begins with whsec_ or whsk_ is.");
	if (rotation->took)
		body.value = rotation->took == SECRET_MAKE_V1 ? rotation->fresh : rotation->fresh_v1a;
	secret_rotate(&secret, body.value, rotation->now_us, rotation->now_us + body.overlap_ms * 1000);
	return secret_seal(secrets, rotation->namespace_name, rotation->name, &secret, rotation->nonce, rotation->out, problem);
}

enum err secret_rotate_body(struct secrets *secrets, struct secret_rotation *rotation, struct problem *problem)
{
	struct vault vault = { 0 };
	struct arena arena;
	struct json json;
	if (!vault_arena(&vault, secret_values_arena_bytes(rotation->body.len), &arena))
		return secrets_no_memory(problem);
	json_init(&json, rotation->body, &arena, problem);
	enum err err = secret_rotate_read(secrets, rotation, &json, &vault, problem);
	CHECK(!arena.chunks);
	vault_fini(&vault);
	return err;
}

static bool entry_is_old(const struct secrets *secrets, const struct stored_entry *entry)
{
	char id[SECRET_KEY_ID_BYTES + 1];
	const struct key_ring *ring = &secrets->ring;
	return secret_sealed_key(stored_sealed(entry), id) && key_ring_find(ring, str_of(id)) && !str_eq(str_of(ring->keys[0].id), str_of(id));
}

uint32_t secrets_under_old_keys(struct secrets *secrets, uint32_t max,
				bool (*visit)(void *context, struct str namespace_name, struct str name, struct str sealed, uint64_t version), void *context)
{
	uint32_t visited = 0, more = 0;
	bool goes_on = true;
	pthread_mutex_lock(&secrets->door);
	for (uint32_t i = 0; i < secrets->stored.count; i++) {
		const struct stored_entry *entry = &secrets->stored.entries[i];
		if (!entry_is_old(secrets, entry))
			continue;
		if (!goes_on || visited == max) {
			more++;
			continue;
		}
		goes_on = visit(context, stored_namespace(entry), stored_name(entry), stored_sealed(entry), entry->version);
		visited++;
	}
	pthread_mutex_unlock(&secrets->door);
	return more;
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
	struct rack *rack = rack_new(SECRET_PLACE_MAX);
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

static enum err secrets_open_keys(struct secrets *secrets, const char *key_file, struct problem *problem)
{
	if (!key_file || !*key_file)
		return E_OK;
	secrets->key_file = arena_str(&secrets->arena, str_of(key_file)).ptr;
	return secrets->key_file ? secrets_read_keys(secrets, problem) : secrets_keys_at(problem, secrets_no_memory(problem));
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
	stored_init(&secrets->stored);
	pthread_mutex_init(&secrets->door, NULL);
	enum err err = secrets_open_keys(secrets, config->key_file, problem);
	if (!err)
		err = secrets_read_file(secrets, config->path, problem);
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
	stored_fini(&secrets->stored);
	key_ring_fini(&secrets->ring);
	pthread_mutex_destroy(&secrets->door);
	arena_fini(&secrets->arena);
	mem_free(secrets);
}
