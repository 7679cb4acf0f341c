#include "cli/text.h"
#include "base/pluck.h"
#include "base/time_text.h"
#include <errno.h>
#include <fcntl.h>
#include <sysexits.h>
#include <unistd.h>

#define TEXT_READ_BYTES 65536u

int text_read(const char *command, const char *path, struct buf *out)
{
	bool is_stdin = strcmp(path, "-") == 0;
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : 1;
	while (n > 0) {
		char *room = buf_reserve(out, TEXT_READ_BYTES);
		if (!room) {
			errno = EFBIG;
			n = -1;
			break;
		}
		n = read(fd, room, TEXT_READ_BYTES);
		if (n > 0)
			out->len += (size_t)n;
		else if (n < 0 && errno == EINTR)
			n = 1;
	}
	int saved = errno;
	if (fd >= 0 && !is_stdin)
		close(fd);
	if (n == 0)
		return 0;
	fprintf(stderr, "ruche %s: cannot read %s: %s\n", command, is_stdin ? "standard input" : path, strerror(saved));
	return EX_NOINPUT;
}

struct str text_ago(struct str instant, int64_t now_us, struct arena *arena)
{
	int64_t at_us;
	char span[32];
	if (!instant.len || time_parse(instant, &at_us))
		return instant;
	bool past = at_us <= now_us;
	duration_text((past ? now_us - at_us : at_us - now_us) / 1000, span);
	char *more = strchr(strchr(span, ' ') + 1, ' '); /* "10 min 14 s": in a list, the minutes are enough */
	if (more)
		*more = '\0';
	return str_of(past ? arena_printf(arena, "%s ago", span) : arena_printf(arena, "in %s", span));
}

struct str text_plain(struct str json, struct arena *arena)
{
	uint32_t count;
	struct str *items = pluck_items(json, "", arena, &count);
	if (!items)
		return json.len && json.ptr[0] == '[' ? STR("") : pluck_text(json, "", arena);
	const char *all = "";
	for (uint32_t i = 0; i < count && all; i++)
		all = arena_printf(arena, "%s%s" STR_FMT, all, i ? ", " : "", STR_ARG(pluck_text(items[i], "", arena)));
	return str_of(all);
}

void text_put(FILE *out, struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];
		bool c1 = c == 0xc2 && i + 1 < text.len && (unsigned char)text.ptr[i + 1] < 0xa0; /* U+0080 to U+009F */
		putc((c < ' ' && c != '\n' && c != '\t') || c == 0x7f || c1 ? '?' : c, out);
		i += c1;
	}
}

struct str text_namers(struct str answer, struct arena *arena)
{
	uint32_t count;
	uint64_t all = 0;
	struct str *namers = pluck_items(answer, "named_by", arena, &count);
	const char *text = "";
	for (uint32_t i = 0; i < count && text; i++)
		text = arena_printf(arena, "%s%s%s" STR_FMT, text, i ? ", " : "", str_eq(pluck_text(namers[i], "kind", arena), STR("source")) ? "in/" : "",
				    STR_ARG(pluck_text(namers[i], "name", arena)));
	if (text && pluck_u64(answer, "named_by_count", arena, &all) && all > count)
		text = arena_printf(arena, "%s and %llu more", text, (unsigned long long)(all - count));
	return str_of(text);
}

bool text_confirm(const char *command, const char *question)
{
	char answer[16];
	if (!isatty(STDIN_FILENO)) {
		fprintf(stderr, "ruche %s: %s Nobody is there to answer: add --yes.\n", command, question);
		return false;
	}
	fprintf(stderr, "%s [y/N] ", question);
	return fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}
