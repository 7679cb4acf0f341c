/* src/api/view.h: a job as readers see it, as JSON. */
#pragma once
#include "store/query.h"

struct buf;

struct view_parts {
	bool payload, result; /* bodies too */
	bool errors;          /* of its attempts */
	bool parents;
};
void job_view_write(struct buf *out, const struct job_view *view, struct view_parts parts);
/* What a claim's answer says of a job's definition: members, no braces: "id":…,…,"created_at":…. It never changes, so it can be kept
 * (shelf.h) from the enqueue on. */
struct grant_definition {
	uint64_t uid;
	struct str id, name, group, tags, trace, chain, metadata, payload;
};
void grant_definition_write(struct buf *out, const struct grant_definition *definition);
void attempt_write(struct buf *out, const struct attempt_row *row);
void parents_write(struct buf *out, const struct job_view *view); /* the member "parents" */
void child_write(struct buf *out, const struct child_view *view);
void child_counts_write(struct buf *out, const uint64_t counts[EDGE_STATE_COUNT]);
void log_line_write(struct buf *out, const struct log_row *row);
/* The payload in force, and the one that it was enqueued with. Empty reads as null. */
struct str job_payload(const struct job_view *view);
struct str job_first_payload(const struct job_view *view);
