/* src/format/suspects.h: which programs killed their helper lately. One that did so SUSPECT_DEATHS times within SUSPECT_US is suspect for as long
 * after its last one: it then runs alone, so that nobody waits behind it. Programs are known by a hash of their text. Pure. */
#pragma once
#include "base/str.h"

#define SUSPECT_DEATHS 3u
#define SUSPECT_US     (60 * INT64_C(1000000))
#define SUSPECTS_KEPT  32u /* the one that was quiet longest makes room */

struct suspect {
	uint64_t program;
	int64_t deaths_us[SUSPECT_DEATHS]; /* the latest ones, in turn */
	uint32_t deaths;                   /* ever */
};
struct suspects {
	struct suspect kept[SUSPECTS_KEPT];
};

void suspects_add(struct suspects *suspects, uint64_t program, int64_t now_us);
bool suspects_has(const struct suspects *suspects, uint64_t program, int64_t now_us);
