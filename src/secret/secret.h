/* src/secret/secret.h: named secrets, wherever they come from. A snapshot never changes: who asks holds one while he uses its bytes, and the last
 * one to drop it wipes it. Functions may be called on any thread unless they say otherwise. Nothing here logs, and no problem tells a value.
 *
 * Places, in the order in which a name is looked for:
 *
 *     file        secrets.path: a JSON file {name: value | [values] | {"values": [{"value", "until_at"}…]}}, or a directory with a file a secret
 *                 (a last newline is cut; files that cannot be names are passed over). Looked at twice a second.
 *     credential  $CREDENTIALS_DIRECTORY/secret.NAME, as systemd puts them there. Read once.
 *     env         RUCHE_SECRET_NAME: capitals, and '_' for what is no letter or digit. Read once, then wiped from the environment.
 *     store       sealed under the key file; the engine says which there are.
 *
 * Of several values the first is the current one; others are old ones that still count, each until its own instant.
 *
 * Namespaces: "billing/crm" in a file (or the file crm in a directory billing) is the secret "crm" of namespace billing: it goes before a "crm" of
 * no namespace there, and no other namespace sees it. So "x/y" is never taken from a file for a namespace that is not x; but "endpoint/y" is
 * of no namespace, since each calls the secret of its endpoint y so. Credentials and variables have no namespaces; those of the store have one each,
 * and are its own. */
#pragma once
#include "base/buf.h"
#include "base/err.h"

#define SECRET_VALUES      10
#define SECRET_BYTES_MAX   65536           /* of one value */
#define SECRET_PLACE_BYTES (4 * 1024 * 1024) /* of a file, or of all files of a directory */
#define SECRET_PLACE_MAX   10000           /* secrets of a place; those of the store are the engine's to count */
#define SECRET_NONCE_BYTES  12
#define SECRET_KEY_ID_BYTES 16

#define SECRET_PLACES(X) X(FILE, "file") X(CREDENTIAL, "credential") X(ENVIRONMENT, "env") X(STORE, "store")
#define X(name, word) SECRET_##name,
enum secret_place { SECRET_PLACES(X) SECRET_PLACE_COUNT };
#undef X

struct secret_value {
	struct str bytes;
	int64_t until_us; /* wall; 0: for ever */
};
struct secret {
	struct secret_value values[SECRET_VALUES]; /* the current one first */
	uint32_t count;
};

struct secrets_config {           /* all of it is copied */
	const char *path;         /* NULL or "": none */
	const char *key_file;     /* made when something is sealed first; NULL or "": nothing is sealed or opened */
	const char *credentials;  /* a directory; NULL or "": none */
	char **environment;       /* NULL: none */
	bool wipe_environment;    /* what was read from there is overwritten */
};
struct secrets;
struct secret_snapshot;

/* E_CONFIG with the place in problem->field, E_NOMEM. */
MUST_USE enum err secrets_open(const struct secrets_config *config, struct secrets **out, struct problem *problem);
void secrets_close(struct secrets *secrets); /* snapshots that are held stay until they are dropped; NULL is fine */
uint32_t secrets_count(struct secrets *secrets, enum secret_place place);

/* Has the file changed? On one thread at a time, twice a second. What cannot be read whole leaves what was read before in force; that is told
 * once, and again only when there is something else to tell. */
enum secrets_news { SECRETS_SAME, SECRETS_FRESH, SECRETS_REFUSED };
enum secrets_news secrets_look(struct secrets *secrets, struct problem *problem);

/* The key file anew: the store's secrets are opened with what it holds now. When it cannot be read, the keys that were read before stay. */
MUST_USE enum err secrets_read_keys(struct secrets *secrets, struct problem *problem);
uint32_t secrets_keys(struct secrets *secrets); /* how many there are; 0: nothing has been sealed yet */

/* What the store has from now on, by a version that tells it from what was there before; sealed empty: it is gone. The next hold sees it. E_NOMEM:
 * nothing changed. */
MUST_USE enum err secrets_put(struct secrets *secrets, struct str namespace_name, struct str name, struct str sealed, uint64_t version);
void secrets_forget_stored(struct secrets *secrets); /* the store is another one: those that are there follow */

struct secret_snapshot *secrets_hold(struct secrets *secrets);
void secret_snapshot_drop(struct secret_snapshot *snapshot); /* NULL is fine */
/* "crm", or from one place: "file:crm", "credential:crm", "env:CRM", "store:crm". Values whose time is over are left out; false: there is none. *out
 * points into the snapshot. */
bool secret_find(const struct secret_snapshot *snapshot, struct str namespace_name, struct str reference, int64_t now_us, struct secret *out);
/* ---- sealing ----
 * A sealed text is JSON {"key": the id of the key, "nonce", "sealed"}: AES-256-GCM bound to namespace and name. It says nothing else, and is what
 * the store keeps. Each value of a secret is UTF-8. */

/* Under the first key; without a key file one is made, and is on disk before this answers. nonce: random, for this text alone. E_INVALID, E_TOO_LARGE:
 * the values; E_CONFIG, E_IO, E_STORE_FULL: the key file; E_NOMEM. Writes to out only when it answers E_OK. */
MUST_USE enum err secret_seal(struct secrets *secrets, struct str namespace_name, struct str name, const struct secret *secret,
			      const unsigned char nonce[SECRET_NONCE_BYTES], struct buf *out, struct problem *problem);
/* The same of a request's body, {"value": text} or {"values": [{"value", "until_at"}…]}: its plain text gets nowhere but into the sealed one, and the
 * caller wipes the body. */
MUST_USE enum err secret_seal_body(struct secrets *secrets, struct str namespace_name, struct str name, struct str body,
				   const unsigned char nonce[SECRET_NONCE_BYTES], struct buf *out, struct problem *problem);
struct secret_memory;
struct secret_open {
	struct secret secret; /* in the memory below */
	struct secret_memory *memory;
};
/* E_SECRET_SEALED: its key is not in the key file; E_INVALID: damaged, or sealed for another name; E_NOMEM. */
MUST_USE enum err secret_unseal(struct secrets *secrets, struct str namespace_name, struct str name, struct str sealed, struct secret_open *out);
void secret_open_fini(struct secret_open *open); /* wipes; zeroed ones are fine */
/* Re-keying: E_OK with *out_needed false when it is under the first key already; otherwise the text anew, under that. */
MUST_USE enum err secret_reseal(struct secrets *secrets, struct str namespace_name, struct str name, struct str sealed,
				const unsigned char nonce[SECRET_NONCE_BYTES], bool *out_needed, struct buf *out, struct problem *problem);
bool secret_sealed_key(struct str sealed, char out[SECRET_KEY_ID_BYTES + 1]); /* false: it is no sealed text */
struct secret_told { /* of a secret in the store, without its values */
	char key[SECRET_KEY_ID_BYTES + 1]; /* "": the text is damaged */
	bool sealed;                       /* it does not open: the key is not in the key file, or it is damaged */
	uint32_t count;
	int64_t until_us[SECRET_VALUES];
};
void secret_tell(struct secrets *secrets, struct str namespace_name, struct str name, struct secret_told *out); /* zeroed and sealed: there is none */
/* Names that a namespace sees in a place other than the store, in no order, as they are to be said in a reference to it. */
void secret_names(const struct secret_snapshot *snapshot, enum secret_place place, struct str namespace_name,
		  void (*visit)(void *context, enum secret_place place, struct str name), void *context);
const char *secret_place_word(enum secret_place place); /* "file" */
/* A rotation of what the store has, by a request's body {"value"?, "make"?, "overlap_ms"?}, and of all that is not under the first key. What comes out is to be
 * put over the version told: if that is not what is there any more, somebody was faster, and nothing is to be changed. */
enum secret_make { SECRET_MAKE_NONE, SECRET_MAKE_V1, SECRET_MAKE_V1A }; /* whsec_, whsk_ */
struct secret_rotation {
	struct str namespace_name, name, body;
	struct str fresh, fresh_v1a; /* one is taken when the body tells no value: of the kind that it says, or that is there */
	int64_t now_us;
	const unsigned char *nonce;
	struct buf *out;
	uint64_t version;      /* told */
	enum secret_make took; /* told */
};
#define SECRET_OVERLAP_MS     INT64_C(86400000)     /* where nothing is said: old values count for a day */
#define SECRET_OVERLAP_MS_MAX INT64_C(604800000)
/* E_SECRET_NOT_FOUND, E_SECRET_SEALED, and as secret_seal_body. */
MUST_USE enum err secret_rotate_body(struct secrets *secrets, struct secret_rotation *rotation, struct problem *problem);
/* Visits at most `max` of those that open, until visit answers false; answers how many more there are. */
uint32_t secrets_under_old_keys(struct secrets *secrets, uint32_t max,
				bool (*visit)(void *context, struct str namespace_name, struct str name, struct str sealed, uint64_t version), void *context);
/* Rotation: the value goes first; the others end at old_until_us at the latest. Those that have ended, and the oldest beyond SECRET_VALUES, go. */
void secret_rotate(struct secret *secret, struct str value, int64_t now_us, int64_t old_until_us);

/* What a secret may be called: letters, digits and _-./: */
bool secret_name_is_formed(struct str name);
