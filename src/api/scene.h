/* src/api/scene.h: for tests: the API behind a real HTTP server on loopback, with a client, and with an engine and readers that the
 * test plays: what the API asks arrives in two lists, and the test fills in results. */
#pragma once
#include "api/api.h"
#include "api/auth.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/uid.h"
#include "secret/secret.h"

#define SCENE_ASKED_MAX 64
#define STR_INIT(literal) { "" literal, sizeof(literal) - 1 } /* for static values */
#define SCENE_NOW_US    INT64_C(1795461072000000) /* 2026-11-23T19:11:12Z */

struct scene_client {
	int fd;
	struct buf in; /* bytes that came and were not yet taken as an answer */
	bool closed;   /* the server ended the connection */
};

struct scene {
	uv_loop_t loop;
	struct http_server *server;
	struct api *api;
	struct secrets *secrets;
	int64_t now_us;
	uint64_t random;
	bool sick;                       /* ready() says no */
	struct request *requests[SCENE_ASKED_MAX];
	uint32_t request_count;
	struct question *questions[SCENE_ASKED_MAX];
	uint32_t question_count;
	struct token_row tokens[8];      /* that the readers know: questions about tokens are answered from here */
	unsigned char hashes[8][TOKEN_HASH_BYTES];
	char token_texts[8][TOKEN_TEXT_BYTES];
	uint32_t token_count;
	bool hold_tokens;                /* do not answer them by itself */
	bool brief;                      /* scene_send does not wait for what will not come */
	uint32_t told_distrust;          /* how often it was told of incoming webhooks that were not believed */
	uint64_t distrust_count;         /* of how many, last */
	uint64_t fail_nth;               /* the next scene_send arms mem_fail_after with it, once its bytes are made; 0: not */
	enum mem_fail fail_how;
	struct scene_client client;
	char auth[96];                   /* a header line sent with each request, or empty */
	int status;                      /* of the last answer */
	struct str headers, body;        /* of the last answer: slices of `answer` */
	struct buf answer;
};

void scene_open(struct scene *scene, bool open, size_t cache_bytes);
void scene_close(struct scene *scene);
/* A token of the readers' memory; its text is told by scene->token_texts. queues: JSON or NULL. Learnt at once. */
uint32_t scene_token(struct scene *scene, const char *scopes, const char *queues);
void scene_as(struct scene *scene, uint32_t token); /* requests are sent with it */
void scene_as_nobody(struct scene *scene);

/* Sends a request and turns the loop until the API asked something or answered. Headers: whole lines or NULL. */
void scene_send(struct scene *scene, const char *method, const char *path, const char *headers, struct str body);
void scene_turn(struct scene *scene); /* some turns of the loop */
/* The next request or question; it must be there. */
struct request *scene_request(struct scene *scene);
struct question *scene_question(struct scene *scene);
void scene_reply(struct scene *scene, struct request *request); /* gives it back, turns, reads an answer if one came */
void scene_answer(struct scene *scene, struct question *question);
/* Is the whole answer there? Then status, headers and body are set. */
bool scene_receive(struct scene *scene);
/* Value of a header of the answer, or empty. */
struct str scene_header(const struct scene *scene, const char *name);
/* Raw bytes that came so far (streams); the test consumes them with buf_clear(&scene->client.in). */
struct str scene_stream(struct scene *scene);
void scene_hang_up(struct scene *scene); /* the client goes away; the next scene_send connects anew */
