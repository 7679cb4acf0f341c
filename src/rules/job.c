#include "rules/job.h"
#include "base/check.h"

#define TO(name) (1u << JOB_##name)
#define X(name, text, next) [JOB_##name] = (next),
static const unsigned job_moves[JOB_STATE_COUNT] = { JOB_STATES(X) };
#undef X
#undef TO

#define X(name, text, next) [JOB_##name] = text,
static const char *const job_state_names[JOB_STATE_COUNT] = { JOB_STATES(X) };
#undef X

#define X(name, text) [OUTCOME_##name] = text,
static const char *const job_outcome_names[JOB_OUTCOME_COUNT] = { JOB_OUTCOMES(X) };
#undef X

const char *job_state_name(enum job_state state)
{
	CHECK(state < JOB_STATE_COUNT);
	return job_state_names[state];
}

enum err job_state_parse(struct str name, enum job_state *out)
{
	for (unsigned state = 0; state < JOB_STATE_COUNT; state++) {
		if (str_eq(name, str_of(job_state_names[state]))) {
			*out = (enum job_state)state;
			return E_OK;
		}
	}
	return E_INVALID;
}

const char *job_outcome_name(enum job_outcome outcome)
{
	CHECK(outcome < JOB_OUTCOME_COUNT);
	return job_outcome_names[outcome];
}

bool job_state_is_final(enum job_state state)
{
	return state == JOB_COMPLETED || state == JOB_FAILED || state == JOB_CANCELLED || state == JOB_EXPIRED;
}

bool job_may_become(enum job_state from, enum job_state to)
{
	CHECK(from < JOB_STATE_COUNT);
	CHECK(to < JOB_STATE_COUNT);
	return job_moves[from] & (1u << to);
}
