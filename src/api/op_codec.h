/* src/api/op_codec.h: operations from JSON, and their results back. One table of fields for each kind, whether it stands alone as a
 * request's body, in a list of its kind, or in /v1/batch; the OpenAPI document is written from the same tables.
 *
 * Strings that need no decoding stay slices of the text: the body must live as long as the operation. Touches nothing shared, so
 * that it may run on any thread. */
#pragma once
#include "base/json.h"
#include "base/uid.h"
#include "engine/command.h"

struct call;

enum op_place {
	OP_IN_BATCH, /* with "op" and whom it is about; may carry a claim */
	OP_IN_LIST,  /* with whom it is about: {"uid":…} */
	OP_ALONE     /* the path says both; may carry a claim or a wait */
};
/* A claim that rides on another operation ("finish and claim next"). */
struct op_rider {
	struct op claim;
	bool given;
};

/* Reads one object into *op, whose kind is set and the rest zeroed or set from a path. rider: NULL where none may be. */
bool op_read(struct json *json, struct op *op, enum op_place place, struct op_rider *rider);
/* The same in a batch: looks for "op" first. */
bool op_read_in_batch(struct json *json, struct op *op, struct op_rider *rider);
/* An action's arguments, as kept with a bulk operation: {"priority":3}, {"queue":"other"}. Empty text: none. */
MUST_USE enum err op_read_arguments(enum op_kind action, struct str text, struct arena *arena, struct op_job *out, struct problem *problem);

/* ---- for the OpenAPI document ---- */
const struct json_field *op_fields(enum op_kind kind, enum op_place place, uint32_t *count);
const struct json_field *op_dedup_fields(uint32_t *count); /* of Dedup */
const struct json_field *op_job_name_fields(uint32_t *count);
const struct json_field *op_parent_fields(uint32_t *count); /* of Parent */
const struct json_field *op_past_fields(uint32_t *count); /* of Past */
const struct json_field *op_past_child_fields(uint32_t *count); /* of PastChild */
const struct json_field *op_chain_job_fields(uint32_t *count); /* of ChainJob */
const char *op_field_type(const struct json_field *field); /* in the notation of schema.h; NULL when the field's type says it all */

/* ---- results: a whole JSON value ---- */
void op_result_write(struct buf *out, struct call *call, const struct op *op);
/* {"uid":…,"problem":{…}} */
void op_refusal_write(struct buf *out, const struct op *op, bool atomic);
void queue_info_write(struct buf *out, const struct queue_info *info, bool whole);
void group_info_write(struct buf *out, const struct group_info *info);
void limit_result_write(struct buf *out, struct call *call, const struct op *op); /* BACK_OFF, LIMIT_*, LIMITS (limits.c) */
void message_result_write(struct buf *out, const struct op *op); /* messages.c */
void explanation_write(struct buf *out, const struct explanation *explanation);
void operation_write(struct buf *out, const struct operation_row *row);
void put_uid(struct buf *out, const char *key, uint64_t uid);
