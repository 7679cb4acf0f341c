/* src/daemon/wire.h: the only file that knows every room. It makes them and connects their ports:
 *
 *     loop thread     http server ─ api ─ bulk          engine thread   engine
 *     reader threads  reader_pool                       deliver thread  deliver
 *
 *     api.submit ─► outbox ─► engine's mailbox ─► reply ─► loop's mailbox ─► api_reply      (a whole list a turn, both ways)
 *     api.ask    ─► reader_pool                ─► answer ─► loop's mailbox ─► api_answer
 *     effects: DELIVER, ABORT ─► deliver;  EVENTS ─► api_events on the loop;  OPERATION ─► bulk on the loop
 *
 * A request's number carries in its top byte who asked, while it is away from them. Everything below is the loop thread's. */
#pragma once
#include "daemon/config.h"
#include "daemon/doors.h"
#include "daemon/engine_thread.h"
#include "http/server.h"
#include "store/store.h"

struct wire;
struct wire_config {
	const struct config *config;
	uv_loop_t *loop;
	struct store *store; /* open; the wire's from now on: it is closed with it, also when wire_open fails */
	bool open;           /* no tokens: `ruche dev` */
	struct doors *doors; /* of ours: stay the caller's until after wire_close, who knows those that will be listened at */
	struct secrets *secrets; /* stay the caller's, open until after wire_close */
	/* A fresh store's admin token is on disk: show it to the operator. */
	void (*show_token)(const char *token);
};
/* Everything runs but the listeners. On failure what was begun is ended. */
MUST_USE enum err wire_open(const struct wire_config *config, struct wire **out, struct problem *problem);
MUST_USE enum err wire_listen(struct wire *wire, struct str address, struct problem *problem);
MUST_USE enum err wire_listen_fd(struct wire *wire, int fd, struct problem *problem);
/* A store without tokens gets its admin token. Before the loop runs: nobody is answered earlier. */
MUST_USE enum err wire_first_token(struct wire *wire, struct problem *problem);
uint16_t wire_port(const struct wire *wire, uint32_t n); /* of the n-th TCP listener */
/* After a reload: whom deliveries may call is what this configuration says. */
void wire_guard(struct wire *wire, const struct config *fresh);
void wire_view(struct wire *wire, struct engine_view *out);
/* Readiness goes red, listeners close, no new grants; running requests end or are cut after grace_ms; then quiet is called, once. */
void wire_quiesce(struct wire *wire, int64_t grace_ms, void (*quiet)(void *context), void *context);
/* After `quiet`, outside the loop: deliveries end or are handed back, the engine goes on until it is idle, all within grace_ms; then
 * everything is freed and the store closed. The loop is run for closing handles. */
void wire_close(struct wire *wire, int64_t grace_ms);
