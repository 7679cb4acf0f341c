/* tests/powerloss/work.h: what the store is doing while its disk fails: change-sets of every kind, from a seed, made so that they
 * can be made again. The same work is done on a store in memory, which tells what each commit must look like. */
#pragma once
#include "store/suite.h"

#define WORK_JOBS 400

struct work {
	uint64_t dice;
	struct work_job {
		uint64_t uid;
		enum job_table table;
		struct job_row row;
	} jobs[WORK_JOBS];
	uint32_t job_count;
	uint64_t next_body;
};

void work_init(struct work *work, uint64_t seed);
void work_fill(struct work *work, struct suite *suite); /* a change-set that suite_begin began */
uint64_t work_hash(const struct work *work, struct suite *suite); /* of everything that the store tells */

void mem_fresh(struct factory *factory);
enum err mem_open(struct factory *factory, struct store **out, struct problem *problem);
void mem_discard(struct factory *factory);
