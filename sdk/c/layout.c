/* Prints what a compiled program has taken from ruche.h: sizes, the place of the last member, numbers. check_abi.py compares. */
#include "ruche.h"
#include <stdio.h>

#define STRUCT(name, last) printf("struct %s %zu %s %zu\n", #name, sizeof(struct name), #last, offsetof(struct name, last))
#define NUMBER(name)       printf("%s %d\n", #name, (int)name)

int main(void)
{
	STRUCT(ruche_error, sentence);
	STRUCT(ruche_client_options, answer_max_bytes);
	STRUCT(ruche_call_options, atomic);
	STRUCT(ruche_memory, context);
	STRUCT(ruche_new_job, waits);
	STRUCT(ruche_enqueued, duplicate);
	STRUCT(ruche_job, chain);
	STRUCT(ruche_claim_options, group_wait_ms);
	STRUCT(ruche_failure, back_off_ms);
	STRUCT(ruche_job_info, json);
	STRUCT(ruche_worker_options, context);
	NUMBER(RUCHE_STOPPED);
	NUMBER(RUCHE_REFUSED);
	NUMBER(RUCHE_INTERNAL);
	NUMBER(RUCHE_RETRY_AFTER);
	NUMBER(RUCHE_WITHOUT_RESULT);
	NUMBER(RUCHE_STOP_SHUTDOWN);
	return 0;
}
