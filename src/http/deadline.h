/* src/http/deadline.h: what must have happened by when. Each kind has one span, so deadlines of a kind are due in the order they were
 * set: a list per kind, O(1) to set, move and drop. The owner keeps one coarse timer for the earliest of all. Pure. */
#pragma once
#include "base/str.h"

enum http_deadline_kind {
	HTTP_DUE_NONE,
	HTTP_DUE_IDLE,    /* no request has begun */
	HTTP_DUE_HEAD,    /* a head has begun and must end */
	HTTP_DUE_BODY,    /* another byte of the body */
	HTTP_DUE_STOPPED, /* not read for now: time to look whether the client is still there */
	HTTP_DUE_LINGER,  /* the last answer was sent: the client should close */
	HTTP_DUE_WRITE,   /* the client must read something */
	HTTP_DUE_COUNT
};
#define HTTP_NEVER INT64_MAX

struct http_deadline { /* zeroed: not set */
	struct http_deadline *next, **link;
	int64_t at_ms;
	enum http_deadline_kind kind;
};
struct http_deadlines {
	struct http_deadline_list {
		struct http_deadline *first, **last;
		int64_t span_ms;
	} lists[HTTP_DUE_COUNT];
};

void http_deadlines_init(struct http_deadlines *deadlines);
/* Sets it anew, whatever it was. HTTP_DUE_NONE drops it. */
void http_deadline_set(struct http_deadlines *deadlines, struct http_deadline *deadline, enum http_deadline_kind kind, int64_t now_ms);
/* Takes one that is due, or NULL. It is no longer set; its kind tells what it was. */
struct http_deadline *http_deadline_take(struct http_deadlines *deadlines, int64_t now_ms);
/* When the earliest is due, or HTTP_NEVER. */
int64_t http_deadlines_next_ms(const struct http_deadlines *deadlines);
