/* src/cli/commands.h: the functions and option tables behind the rows of commands.c. One file a subject: cmd_SUBJECT.c. */
#pragma once
#include "cli/cli.h"

/* The row of that name; it exists. */
const struct cli_command *commands_find(const char *name);

#define COMMAND_FUNCTIONS(X)                                                                                             \
	X(enqueue)                                                                                                       \
	X(jobs_list) X(jobs_count) X(jobs_detach) X(jobs_show) X(jobs_children) X(jobs_explain) X(jobs_retry) X(jobs_cancel) X(jobs_delete) X(jobs_promote) \
	X(jobs_move) \
	X(jobs_priority) X(jobs_edit) X(jobs_reschedule) X(queues_list) X(queues_show) X(queues_set) X(queues_pause)     \
	X(queues_resume) X(queues_delete) X(queues_reset) X(queues_back_off) X(queues_groups) X(queues_metrics)                                             \
	X(limits_list) X(limits_show) X(limits_set) X(limits_delete) X(limits_back_off) X(limits_acquire) X(limits_release) X(dedup_show) X(dedup_release) \
	X(operations_list) X(operations_show) X(operations_pause) X(operations_resume) X(operations_cancel)                                 \
	X(chains_list) X(chains_show) X(chains_set) X(chains_delete)                                                     \
	X(send) X(endpoints_list) X(endpoints_show) X(endpoints_set) X(endpoints_pause) X(endpoints_resume) X(endpoints_enable) \
	X(endpoints_disable) X(endpoints_delete) X(messages_list) X(messages_show) X(deliveries_list) X(deliveries_show) \
	X(deliveries_retry) X(endpoints_test) X(endpoints_recover) X(endpoints_replay) X(endpoints_entities) \
	X(endpoints_public_key) X(endpoints_poll) X(messages_resend) X(messages_expunge) \
	X(event_types_list) X(event_types_show) X(event_types_set) X(event_types_archive) X(event_types_unarchive) X(event_types_delete) \
	X(formats_list) X(formats_show) X(formats_set) X(formats_preview) X(formats_delete) X(endpoints_preview) \
	X(secrets_list) X(secrets_set) X(secrets_rotate) X(secrets_delete) X(secrets_rekey)                              \
	X(sources_list) X(sources_show) X(sources_set) X(sources_delete)                                                 \
	X(listen) X(work) X(sink) X(events) X(events_send) X(events_trim) X(workers_list)                                          \
	X(token_create) X(token_list) X(token_revoke) X(bench) X(completion) X(help)
#define X(name) int cmd_##name(int argc, char **argv);
COMMAND_FUNCTIONS(X)
#undef X

extern const struct cli_option sources_list_options[], sources_plain_options[], sources_set_options[], sources_delete_options[];
extern const struct cli_option enqueue_options[], jobs_list_options[], jobs_show_options[], jobs_plain_options[], jobs_bulk_options[],
	jobs_children_options[], jobs_cancel_options[],
	jobs_retry_options[], jobs_move_options[], jobs_priority_options[], jobs_delete_options[], jobs_edit_options[],
	jobs_reschedule_options[], queues_read_options[], queues_delete_options[],
	queues_set_options[], queues_pause_options[], queues_groups_options[], queues_metrics_options[], limits_read_options[], limits_set_options[],
	limits_delete_options[], chains_list_options[], chains_set_options[], chains_plain_options[], send_options[],
	endpoints_list_options[], endpoints_plain_options[], endpoints_set_options[], endpoints_delete_options[], messages_list_options[],
	messages_show_options[], deliveries_list_options[], deliveries_plain_options[], deliveries_retry_options[], work_options[], sink_options[],
	endpoints_test_options[], endpoints_recover_options[], endpoints_replay_options[], endpoints_entities_options[], endpoints_poll_options[],
	messages_resend_options[], messages_expunge_options[],
	events_options[], events_send_options[], events_trim_options[], workers_list_options[],
	token_create_options[], token_list_options[], token_plain_options[], bench_options[], help_options[];
extern const struct cli_option formats_list_options[], formats_show_options[], formats_set_options[], formats_preview_options[], endpoints_preview_options[],
	formats_delete_options[], secrets_list_options[], secrets_set_options[], secrets_rotate_options[], secrets_delete_options[],
	secrets_rekey_options[];
extern const struct cli_option event_types_list_options[], event_types_plain_options[], event_types_set_options[], event_types_delete_options[];
extern const struct cli_option listen_options[], dedup_plain_options[], operations_list_options[], operations_plain_options[], limits_acquire_options[],
	queues_reset_options[], jobs_count_options[], jobs_detach_options[];
extern const struct cli_exit listen_exits[], limits_acquire_exits[], formats_preview_exits[], secrets_rekey_exits[];
extern const struct cli_exit enqueue_exits[], bulk_exits[], work_exits[];
