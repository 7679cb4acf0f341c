#ifndef RUCHE_FORMAT_EXAMPLE_H
#define RUCHE_FORMAT_EXAMPLE_H
/* A program of examples/formats, for the tests that hold its rules: read from its file, and run in a pool of one helper. */
#include "format/pool.h"

struct example;
struct example_reply {
	enum format_end end;
	char text[1024];
};

struct example *example_open(const char *ruche_jq, const char *path); /* NULL: no such file, or no helper */
void example_close(struct example *example);
struct str example_program(const struct example *example);
void example_run(struct example *example, struct str program, const char *input, struct example_reply *reply); /* waits for its end */
#endif
