/* src/store/conformance.h: what every store must do, as one list of tests. A factory says how to get a fresh one and how to open it
 * again. Stories, the last of them, are random change-sets from a seed, told in text: any two stores must tell the same. */
#pragma once
#include "base/buf.h"
#include "store/store.h"

struct factory {
	const char *name;
	void (*fresh)(struct factory *factory);   /* a new, empty disk */
	enum err (*open)(struct factory *factory, struct store **out, struct problem *problem); /* over the disk; several may be open */
	void (*discard)(struct factory *factory); /* the disk */
	bool hostile;     /* refuses and loses answers: the suite tries again, and skips what needs a friendly one */
	void *context;
};

/* Runs the whole list; the result is cmocka's: how many failed. */
int conformance_run(struct factory *factory);
/* `steps` change-sets and the answers to many questions between and after them. */
void conformance_tell(struct factory *factory, uint64_t seed, uint32_t steps, struct buf *out);
