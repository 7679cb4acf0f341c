#include "store/query.h"
#include "store/store.h"

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
