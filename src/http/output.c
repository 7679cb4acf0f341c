#include "http/output.h"
#include "base/check.h"
#include "base/mem.h"

static void piece_free(struct http_piece *piece)
{
	buf_fini(&piece->bytes);
	mem_free(piece);
}

static struct http_piece *piece_take(struct http_pieces *pieces)
{
	struct http_piece *piece = pieces->kept;
	if (piece) {
		pieces->kept = piece->next;
		pieces->count--;
		return piece;
	}
	piece = mem_zalloc(sizeof(*piece));
	if (piece)
		buf_init(&piece->bytes, SIZE_MAX);
	return piece;
}

static void piece_give(struct http_pieces *pieces, struct http_piece *piece)
{
	if (pieces->count >= HTTP_PIECES_KEPT || piece->bytes.capacity > HTTP_PIECE_KEEP_MAX) {
		piece_free(piece);
		return;
	}
	buf_clear(&piece->bytes);
	piece->sent = 0;
	piece->sealed = false;
	piece->next = pieces->kept;
	pieces->kept = piece;
	pieces->count++;
}

void http_pieces_fini(struct http_pieces *pieces)
{
	while (pieces->kept) {
		struct http_piece *piece = pieces->kept;
		pieces->kept = piece->next;
		piece_free(piece);
	}
	pieces->count = 0;
}

static void output_append(struct http_output *output, struct http_piece *piece)
{
	piece->next = NULL;
	if (output->last)
		output->last->next = piece;
	else
		output->first = piece;
	output->last = piece;
}

struct buf *http_output_tail(struct http_output *output, struct http_pieces *pieces, size_t room)
{
	struct http_piece *last = output->last;
	if (last && !last->sealed && last->bytes.capacity - last->bytes.len >= room)
		return &last->bytes;
	struct http_piece *piece = piece_take(pieces);
	if (!piece)
		return NULL;
	if (!buf_reserve(&piece->bytes, room > HTTP_PIECE_BYTES ? room : HTTP_PIECE_BYTES)) {
		piece_free(piece);
		return NULL;
	}
	output_append(output, piece);
	return &piece->bytes;
}

void http_output_wrote(struct http_output *output, size_t bytes)
{
	output->bytes += bytes;
}

bool http_output_give(struct http_output *output, struct http_pieces *pieces, struct buf *bytes)
{
	struct http_piece *piece = piece_take(pieces);
	if (!piece) {
		buf_fini(bytes);
		return false;
	}
	buf_fini(&piece->bytes);
	piece->bytes = *bytes;
	piece->bytes.max_bytes = SIZE_MAX; /* the memory may serve other answers later */
	piece->sealed = true;
	buf_init(bytes, bytes->max_bytes);
	output_append(output, piece);
	output->bytes += piece->bytes.len;
	return true;
}

void http_output_splice(struct http_output *output, struct http_output *from)
{
	if (!from->first)
		return;
	if (output->last)
		output->last->next = from->first;
	else
		output->first = from->first;
	output->last = from->last;
	output->bytes += from->bytes;
	*from = (struct http_output){ 0 };
}

unsigned http_output_slices(const struct http_output *output, uv_buf_t *slices, unsigned slices_max, size_t bytes_max)
{
	unsigned count = 0;
	for (struct http_piece *piece = output->first; piece && count < slices_max && bytes_max > 0; piece = piece->next) {
		size_t len = piece->bytes.len - piece->sent;
		if (len == 0)
			continue;
		if (len > bytes_max)
			len = bytes_max;
		slices[count++] = (uv_buf_t){ .base = piece->bytes.ptr + piece->sent, .len = len };
		bytes_max -= len;
	}
	return count;
}

void http_output_seal(struct http_output *output, size_t bytes)
{
	for (struct http_piece *piece = output->first; piece && bytes > 0; piece = piece->next) {
		size_t len = piece->bytes.len - piece->sent;
		piece->sealed = true;
		bytes -= len < bytes ? len : bytes;
	}
}

void http_output_sent(struct http_output *output, struct http_pieces *pieces, size_t bytes)
{
	CHECK(bytes <= output->bytes);
	output->bytes -= bytes;
	struct http_piece *piece;
	while ((piece = output->first)) {
		size_t len = piece->bytes.len - piece->sent;
		if (len > bytes) {
			piece->sent += bytes;
			return;
		}
		bytes -= len;
		output->first = piece->next;
		if (!output->first)
			output->last = NULL;
		piece_give(pieces, piece);
	}
	CHECK(bytes == 0);
}

void http_output_drop(struct http_output *output, struct http_pieces *pieces)
{
	for (struct http_piece *piece = output->first, *next; piece; piece = next) {
		next = piece->next;
		piece_give(pieces, piece);
	}
	*output = (struct http_output){ 0 };
}
