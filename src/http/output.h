/* src/http/output.h: bytes on their way out: a list of pieces. Short answers share a piece; a large body is a piece of its own, taken
 * and never copied. Pieces come from a store that keeps some for the next answers. */
#pragma once
#include "base/buf.h"
#include <uv.h>

#define HTTP_PIECE_BYTES    4096  /* of a shared piece when it is made */
#define HTTP_PIECE_KEEP_MAX 16384 /* larger ones are not kept for later */
#define HTTP_PIECES_KEPT    256
#define HTTP_COPY_MAX       8192  /* bodies up to this are copied behind their head */

struct http_piece {
	struct http_piece *next;
	struct buf bytes;
	size_t sent;
	bool sealed;      /* nothing may be appended: it is being written, or its bytes were given */
	uv_write_t write; /* of the slice that begins with this piece */
};
struct http_pieces { /* the store */
	struct http_piece *kept;
	uint32_t count;
};
struct http_output { /* zeroed: empty */
	struct http_piece *first, *last;
	size_t bytes; /* not sent yet */
};

void http_pieces_fini(struct http_pieces *pieces);
/* A buf to append at least `room` bytes to, or NULL (no memory). Call http_output_wrote with what its len grew by. */
struct buf *http_output_tail(struct http_output *output, struct http_pieces *pieces, size_t room);
void http_output_wrote(struct http_output *output, size_t bytes);
/* Takes the buf (emptied). False: no memory, the buf is freed. */
bool http_output_give(struct http_output *output, struct http_pieces *pieces, struct buf *bytes);
/* Moves all of `from` behind `output`. */
void http_output_splice(struct http_output *output, struct http_output *from);
/* The next bytes, at most bytes_max of them; answers how many slices were filled. */
unsigned http_output_slices(const struct http_output *output, uv_buf_t *slices, unsigned slices_max, size_t bytes_max);
/* Pieces that the next bytes_max bytes touch may not move any more. */
void http_output_seal(struct http_output *output, size_t bytes);
void http_output_sent(struct http_output *output, struct http_pieces *pieces, size_t bytes);
void http_output_drop(struct http_output *output, struct http_pieces *pieces);
