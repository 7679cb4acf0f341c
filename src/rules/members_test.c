#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "rules/members.h"
#include "rules/quoted_test.h"

static void members_are_put_replaced_and_removed(void **state)
{
	static const struct { const char *present, *change, *merged; } rows[] = {
		{ "", "", "" },
		{ "{}", "{ }", "" },
		{ "", "{ 'a' : [1, 2.50] }", "{ 'a' : [1, 2.50] }" }, /* verbatim where nothing is to be merged */
		{ "{ 'a' : 1 }", "{}", "{ 'a' : 1 }" },
		{ "{ 'a' : 1, 'b': {} }", "{'b':{},'c':null}", "{ 'a' : 1, 'b': {} }" }, /* and where nothing changes */
		{ "{'a':1}", "{'b':{'c':null}}", "{'a':1,'b':{'c':null}}" },
		{ "{'a':1,'b':2,'c':3}", "{'b':{'x':1}}", "{'a':1,'c':3,'b':{'x':1}}" }, /* only the top is merged */
		{ "{'a':1,'b':2}", "{'a':null}", "{'b':2}" },
		{ "{'a':1}", "{'a':null}", "" },
		{ "", "{'a':null}", "" },
		{ "{'a':1}", "{'b':null,'c':2}", "{'a':1,'c':2}" },
		{ "{'a':1}", "{'b':1,'b':2}", "{'a':1,'b':2}" },
		{ "{'a':1,'a':2}", "{'b':1}", "{'a':2,'b':1}" },
		{ "{'\\u0061':1}", "{'a':2}", "{'a':2}" },
		{ "{'a':1}", "{'\\u0000':1}", "{'\\u0000':1}" }, /* a key that cannot be compared */
	};
	struct arena arena = { 0 };
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		struct str merged = members_merge(&arena, quoted_str(&arena, str_of(rows[i].present)), quoted_str(&arena, str_of(rows[i].change)));
		struct str wanted = quoted_str(&arena, str_of(rows[i].merged));
		if (!merged.ptr || !str_eq(merged, wanted))
			fail_msg("%s with %s gives " STR_FMT, rows[i].present, rows[i].change, STR_ARG(merged));
	}
	arena_fini(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(members_are_put_replaced_and_removed) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
