/* fuzz/replay_main.c: runs a fuzz target over files: those named, and all in the directories named. Each input stands in
 * memory of exactly its size, so that the sanitizer sees a read beyond it, and is also tried cut at some places. */
#include "fuzz.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#define REPLAY_FILE_BYTES_MAX (16u << 20)
#define REPLAY_CUTS           64u

static void replay_bytes(const uint8_t *bytes, size_t size)
{
	uint8_t *exact = malloc(size ? size : 1);
	CHECK(exact);
	if (size)
		memcpy(exact, bytes, size);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
}

static bool replay_file(const char *path)
{
	static uint8_t bytes[REPLAY_FILE_BYTES_MAX];
	FILE *file = fopen(path, "rb");
	if (!file) {
		perror(path);
		return false;
	}
	size_t size = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	replay_bytes(bytes, size);
	size_t step = size / REPLAY_CUTS + 1;
	for (size_t cut = 0; cut < size; cut += step)
		replay_bytes(bytes, cut);
	return true;
}

static bool replay(const char *path, size_t *count)
{
	DIR *directory = opendir(path);
	if (!directory) {
		++*count;
		return replay_file(path);
	}
	bool ok = true;
	for (struct dirent *entry; ok && (entry = readdir(directory)) != NULL;) {
		char *inner = NULL;
		if (entry->d_name[0] == '.')
			continue;
		CHECK(asprintf(&inner, "%s/%s", path, entry->d_name) > 0);
		ok = replay(inner, count);
		free(inner);
	}
	closedir(directory);
	return ok;
}

int main(int argc, char **argv)
{
	size_t count = 0;
	for (int i = 1; i < argc; i++)
		if (!replay(argv[i], &count))
			return 1;
	printf("%zu inputs replayed\n", count);
	return count > 0 ? 0 : 1; /* an empty corpus tests nothing */
}
