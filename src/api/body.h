/* src/api/body.h: a request's path and body become operations: what the routes' decoders share. May run on any thread: touches
 * nothing but the call. */
#pragma once
#include "api/call.h"
#include "api/op_codec.h"

void body_json(struct call *call, struct json *json); /* a reader over the body; no body reads as {} */
/* The path's {uid}. False: the problem says that there is none such (404). */
MUST_USE bool body_uid(struct call *call, enum err missing, uint64_t *out);
struct queue_name body_queue(const struct call *call); /* {queue} and ?namespace= */
/* Whom the path names goes into the operation. */
MUST_USE bool body_identify(struct call *call, struct op *op);

bool body_is_list(struct call *call, struct str list); /* is it {"jobs":[…]}, and not one of them? The first member says */

/* ---- decoders ---- */
bool decode_alone(struct call *call); /* one operation of the route's kind: identity from the path, the rest from the body */
bool decode_path(struct call *call);  /* the same without a body */
/* {"jobs":[…]} or {"leases":[…]}: operations of one kind; false with the reader's problem. For JSON_F_CUSTOM. */
bool body_read_list(struct json *json, struct call *call, enum op_kind kind);
/* Adds the operation that rides on another one. */
MUST_USE bool body_add_rider(struct call *call, const struct op_rider *rider);

/* ---- encoders ---- */
void encode_alone(struct call *call, struct buf *out);   /* the first operation's result */
void encode_results(struct call *call, struct buf *out); /* {"results":[…]}, and "claim" when the last one rides */
