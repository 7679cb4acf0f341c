/* src/secret/place.h: reads the places where secrets are kept into racks. Problems name the file and the secret, never a value;
 * their field is left empty. */
#pragma once
#include "secret/rack.h"

/* What can be seen of a place without reading it: another mark means that it may have changed. Links are followed: what Kubernetes swaps is one. */
struct place_mark {
	uint64_t hash;
	bool directory;
};
/* E_CONFIG when it cannot be looked at. */
MUST_USE enum err place_look(const char *path, struct place_mark *out, struct problem *problem);
/* A file or a directory: E_CONFIG, E_NOMEM. The rack is the caller's also when it fails. */
MUST_USE enum err place_read(const char *path, struct rack *rack, struct problem *problem);
/* JSON, as it stands in a file. */
MUST_USE enum err place_read_json(struct str text, struct rack *rack, struct problem *problem);
/* The files secret.NAME of the directory. */
MUST_USE enum err place_read_credentials(const char *path, struct rack *rack, struct problem *problem);
/* RUCHE_SECRET_…; wipe overwrites the values there. */
MUST_USE enum err place_read_environment(char **environment, bool wipe, struct rack *rack, struct problem *problem);
#define PLACE_ENVIRONMENT "RUCHE_SECRET_"
/* What a name is called in the environment, without the prefix; len 0: it is too long for one. */
struct str place_environment_name(struct str name, char out[256]);
