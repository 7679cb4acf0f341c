#include "http/deadline.h"

void http_deadlines_init(struct http_deadlines *deadlines)
{
	for (size_t kind = 0; kind < HTTP_DUE_COUNT; kind++) {
		struct http_deadline_list *list = &deadlines->lists[kind];
		*list = (struct http_deadline_list){ .last = &list->first };
	}
}

static void deadline_drop(struct http_deadlines *deadlines, struct http_deadline *deadline)
{
	if (!deadline->link)
		return;
	*deadline->link = deadline->next;
	if (deadline->next)
		deadline->next->link = deadline->link;
	else
		deadlines->lists[deadline->kind].last = deadline->link;
	deadline->link = NULL;
}

void http_deadline_set(struct http_deadlines *deadlines, struct http_deadline *deadline, enum http_deadline_kind kind, int64_t now_ms)
{
	deadline_drop(deadlines, deadline);
	deadline->kind = kind;
	if (kind == HTTP_DUE_NONE)
		return;
	struct http_deadline_list *list = &deadlines->lists[kind];
	deadline->at_ms = now_ms + list->span_ms;
	deadline->next = NULL;
	deadline->link = list->last;
	*list->last = deadline;
	list->last = &deadline->next;
}

struct http_deadline *http_deadline_take(struct http_deadlines *deadlines, int64_t now_ms)
{
	for (size_t kind = 0; kind < HTTP_DUE_COUNT; kind++) {
		struct http_deadline *first = deadlines->lists[kind].first;
		if (first && first->at_ms <= now_ms) {
			deadline_drop(deadlines, first);
			return first;
		}
	}
	return NULL;
}

int64_t http_deadlines_next_ms(const struct http_deadlines *deadlines)
{
	int64_t next_ms = HTTP_NEVER;
	for (size_t kind = 0; kind < HTTP_DUE_COUNT; kind++) {
		const struct http_deadline *first = deadlines->lists[kind].first;
		if (first && first->at_ms < next_ms)
			next_ms = first->at_ms;
	}
	return next_ms;
}
