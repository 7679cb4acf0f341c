#include "store/query.h"
#include "store/store.h"

enum err load_reserve_webhooks(struct load *load, struct arena *arena)
{
	load->message_key_uids = ARENA_ARRAY(arena, uint64_t, load->message_key_count + 1);
	load->message_rows = ARENA_ARRAY(arena, struct message_row, load->message_count + 1);
	load->delivery_uids = ARENA_ARRAY(arena, uint64_t, load->delivery_count + 1);
	return load->message_key_uids && load->message_rows && load->delivery_uids ? E_OK : E_NOMEM;
}

enum err reader_run(struct reader *reader, const struct query *query, struct arena *arena, struct answer *out)
{
	memset(out, 0, sizeof(*out));
	return reader->run(reader, query, arena, out);
}

void reader_close(struct reader *reader)
{
	if (reader)
		reader->close(reader);
}
