#include "daemon/config_file.h"
#include <stdarg.h>
#include <stdio.h>

#define CONFIG_PLACE_PATH 72 /* bytes of a path that a problem's field has room for */

void config_file_init(struct config_file *file, const char *path, struct str text, struct arena *arena, struct problem *problem)
{
	if (str_starts(text, STR("\xef\xbb\xbf"))) /* a byte-order mark: editors on Windows */
		text = str_from(text, 3);
	*file = (struct config_file){ .text = text, .path = path, .line = 1, .arena = arena, .problem = problem };
}

const char *config_file_place(const char *path, uint32_t line, struct arena *arena)
{
	size_t len = strlen(path);
	const char *place = len <= CONFIG_PLACE_PATH ? arena_printf(arena, "%s:%u", path, line)
						     : arena_printf(arena, "…%s:%u", path + len - CONFIG_PLACE_PATH, line);
	return place ? place : "configuration";
}

static bool PRINTF_LIKE(2, 3) config_file_refuse(struct config_file *file, const char *format, ...)
{
	char detail[sizeof(file->problem->detail)];
	va_list args;
	va_start(args, format);
	vsnprintf(detail, sizeof(detail), format, args);
	va_end(args);
	if (!file->failed)
		problem_set(file->problem, E_CONFIG, config_file_place(file->path, file->line, file->arena), "%s", detail);
	file->failed = true;
	return false;
}

static int config_file_peek(const struct config_file *file) /* the next byte, or -1 */
{
	return file->at < file->text.len ? (unsigned char)file->text.ptr[file->at] : -1;
}

/* Blanks, and comments up to the end of the line; with `lines`, line ends too. */
static void config_file_blanks(struct config_file *file, bool lines)
{
	for (int c; (c = config_file_peek(file)) >= 0; file->at++) {
		if (c == '#') {
			while (config_file_peek(file) >= 0 && config_file_peek(file) != '\n')
				file->at++;
			if (config_file_peek(file) < 0)
				return;
			c = '\n';
		}
		if (c == '\n' && lines)
			file->line++;
		else if (c != ' ' && c != '\t' && c != '\r')
			return;
	}
}

static bool config_file_is_word(int c, bool in_value)
{
	bool key = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
	return key || (in_value && c > ' ' && !strchr("\"'[]{},#=", c));
}

static struct str config_file_word(struct config_file *file, bool in_value)
{
	size_t begin = file->at;
	while (config_file_peek(file) >= 0 && config_file_is_word(config_file_peek(file), in_value))
		file->at++;
	return (struct str){ file->text.ptr + begin, file->at - begin };
}

static bool config_file_escape(struct config_file *file, char *out)
{
	static const char from[] = "\"\\nt", to[] = "\"\\\n\t";
	int c = config_file_peek(file);
	const char *found = c > 0 ? strchr(from, c) : NULL;
	if (!found)
		return config_file_refuse(file, "Only \\\", \\\\, \\n and \\t may stand after a backslash; '…' takes text as it is.");
	*out = to[found - from];
	return true;
}

/* "text" with escapes, or 'text' without. */
static bool config_file_quoted(struct config_file *file, const char **out)
{
	char quote = file->text.ptr[file->at++];
	char *text = arena_alloc(file->arena, file->text.len - file->at + 1);
	size_t len = 0;
	if (!text)
		return config_file_refuse(file, "Not enough memory.");
	for (int c; (c = config_file_peek(file)) != quote; file->at++) {
		char byte = (char)c;
		if (c < 0 || c == '\n')
			return config_file_refuse(file, "The text that begins with %c has no end on this line.", quote);
		if (c == 0)
			return config_file_refuse(file, "There is a NUL byte in the text.");
		if (c == '\\' && quote == '"') {
			file->at++;
			if (!config_file_escape(file, &byte))
				return false;
		}
		text[len++] = byte;
	}
	file->at++;
	text[len] = '\0';
	*out = text;
	return true;
}

static bool config_file_value(struct config_file *file, struct config_line *line)
{
	int c = config_file_peek(file);
	if (line->count == CONFIG_FILE_ITEMS)
		return config_file_refuse(file, "More than %d items.", CONFIG_FILE_ITEMS);
	const char **item = &line->items[line->count];
	if (c == '"' || c == '\'') {
		if (!config_file_quoted(file, item))
			return false;
	} else {
		struct str word = config_file_word(file, true);
		if (!word.len)
			return config_file_refuse(file, "'%s' has no value; write %s = \"…\".", line->key, line->key);
		*item = arena_str(file->arena, word).ptr;
		if (!*item)
			return config_file_refuse(file, "Not enough memory.");
	}
	line->count++;
	return true;
}

static bool config_file_list(struct config_file *file, struct config_line *line)
{
	file->at++;
	line->is_list = true;
	for (;;) {
		config_file_blanks(file, true);
		if (config_file_peek(file) == ']')
			break;
		if (config_file_peek(file) < 0)
			return config_file_refuse(file, "The list of '%s', begun on line %u, has no ']'.", line->key, line->line);
		if (!config_file_value(file, line))
			return false;
		config_file_blanks(file, true);
		if (config_file_peek(file) == ',')
			file->at++;
		else if (config_file_peek(file) != ']')
			return config_file_refuse(file, "A comma or ']' is missing in the list of '%s'.", line->key);
	}
	file->at++;
	return true;
}

static bool config_file_line_end(struct config_file *file)
{
	config_file_blanks(file, false);
	int c = config_file_peek(file);
	if (c >= 0 && c != '\n')
		return config_file_refuse(file, "Something stands behind the value; put text with blanks between quotes.");
	return true;
}

static bool config_file_section(struct config_file *file)
{
	file->at++;
	config_file_blanks(file, false);
	file->section = config_file_word(file, false);
	config_file_blanks(file, false);
	if (!file->section.len || config_file_peek(file) != ']')
		return config_file_refuse(file, "A section is written [name].");
	file->at++;
	return config_file_line_end(file);
}

bool config_file_next(struct config_file *file, struct config_line *out)
{
	for (;;) {
		config_file_blanks(file, true);
		if (file->failed || config_file_peek(file) < 0)
			return false;
		if (config_file_peek(file) != '[')
			break;
		if (!config_file_section(file))
			return false;
	}
	struct str word = config_file_word(file, false);
	if (!word.len)
		return config_file_refuse(file, "A line is 'key = value', '[section]' or '# comment'.");
	*out = (struct config_line){ .line = file->line };
	out->key = file->section.len ? arena_printf(file->arena, STR_FMT "." STR_FMT, STR_ARG(file->section), STR_ARG(word))
				     : arena_str(file->arena, word).ptr;
	if (!out->key)
		return config_file_refuse(file, "Not enough memory.");
	config_file_blanks(file, false);
	if (config_file_peek(file) != '=')
		return config_file_refuse(file, "'%s' is not followed by '='.", out->key);
	file->at++;
	config_file_blanks(file, false);
	bool read = config_file_peek(file) == '[' ? config_file_list(file, out) : config_file_value(file, out);
	return read && config_file_line_end(file);
}
