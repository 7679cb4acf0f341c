/* One curl multi handle driven by an epoll set of our own: work is done only where something happened, so that a thousand silent
 * hosts cost nothing beside a busy one. Sockets stay in the epoll set while curl has no transfer on them: a connection that serves
 * again needs no system call for it. */
#include "base/check.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "http/easy.h"
#include "net/address.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define CLIENT_EVENTS       256   /* taken from epoll at once */
#define CLIENT_KEPT_BYTES   16384 /* a body buffer above it is given back after the call */
#define CLIENT_BUFFER_BYTES 16384L

struct watch {             /* of one descriptor */
	uint32_t wanted;   /* what curl waits for; 0: nothing, no transfer is on it */
	uint32_t set;      /* what epoll was told; 0: not in the set */
	bool connection;   /* made by us: we hear when it is closed. Curl's own descriptors may vanish without a word */
	struct http_ticket *connecting; /* whose connection it will be; NULL once it is one */
};

struct http_client {
	CURLM *multi;
	CURLSH *share;                     /* TLS sessions, of all handles */
	struct http_client_config config;
	char *ca_file, *proxy;
	int epoll_fd, wake_fd;
	int64_t timer_us;                  /* when curl wants to be called; INT64_MAX: no wish */
	struct watch *watches;             /* by descriptor */
	uint32_t watch_count;
	struct http_ticket *running, *idle;
	uint32_t running_count, barred_count;
	bool kick;                         /* a ticket is to be kicked */
	int64_t forget_us;                 /* connections made before it are not used again; 0: all may be */
};

struct http_ticket {
	struct http_client *client;
	CURL *easy;
	struct http_ticket *next, **previous; /* in the list of running ones; next alone in that of idle ones */
	struct http_request request;
	struct curl_slist *nodes;          /* header list given to curl, in one array */
	uint32_t node_capacity;
	enum ticket_shape {
		SHAPE_NONE,
		SHAPE_GET,
		SHAPE_HEAD,
		SHAPE_POST,
		SHAPE_OTHER
	} shape; /* as the handle is set */
	struct http_head head;
	struct buf body;
	uint64_t body_bytes;
	bool truncated;
	bool proxied;                      /* the handle is set to go through the proxy */
	bool opened;                       /* a socket was made for it */
	bool barred;                       /* its URL is not called: curl never sees it */
	bool refused;                      /* the guard refused an address */
	bool starved;                      /* no descriptor or memory for a socket */
	bool shares;                       /* its connection: HTTP/2 */
	bool kick;                         /* see client_kick */
	char why[CURL_ERROR_SIZE];
	char guard_why[224];
};

/* ---- descriptors ---- */

static bool client_watch_reserve(struct http_client *client, int fd)
{
	uint32_t needed = (uint32_t)fd + 1;
	if (needed <= client->watch_count)
		return true;
	uint32_t count = client->watch_count ? client->watch_count : 64;
	while (count < needed)
		count *= 2;
	struct watch *watches = mem_realloc(client->watches, count * sizeof(*watches));
	if (!watches)
		return false;
	memset(watches + client->watch_count, 0, (count - client->watch_count) * sizeof(*watches));
	client->watches = watches;
	client->watch_count = count;
	return true;
}

static void client_watch_set(struct http_client *client, int fd, uint32_t events)
{
	struct watch *watch = &client->watches[fd];
	if (watch->set == events)
		return;
	struct epoll_event event = { .events = events, .data.fd = fd };
	int verb = !events ? EPOLL_CTL_DEL : watch->set ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
	if (epoll_ctl(client->epoll_fd, verb, fd, &event) == 0 || verb == EPOLL_CTL_DEL)
		watch->set = events; /* otherwise its call runs into its time-out */
}

static int client_on_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *unused)
{
	(void)easy, (void)unused;
	struct http_client *client = context;
	if (!client_watch_reserve(client, fd))
		return 0; /* only for curl's own descriptors, which it also looks after by timer */
	struct watch *watch = &client->watches[fd];
	watch->wanted = what == CURL_POLL_REMOVE ? 0
						 : (what & CURL_POLL_IN ? (uint32_t)EPOLLIN : 0) |
							   (what & CURL_POLL_OUT ? (uint32_t)EPOLLOUT : 0);
	if (watch->wanted & EPOLLIN)
		watch->connecting = NULL;
	if (watch->wanted || !watch->connection || watch->set & EPOLLOUT)
		client_watch_set(client, fd, watch->wanted);
	return 0;
}

static int client_on_timer(CURLM *multi, long wait_ms, void *context)
{
	(void)multi;
	struct http_client *client = context;
	client->timer_us = wait_ms < 0 ? INT64_MAX : wait_ms == 0 ? 0 : clock_mono_us() + (int64_t)wait_ms * 1000;
	return 0;
}

static void ticket_want_kick(struct http_ticket *ticket)
{
	ticket->kick = true;
	ticket->client->kick = true;
}

/* Pausing and going on makes curl look at a call at once. Curl 7.88 must be told so in two cases, or it would look at its next timer,
 * which may be seconds away: a name's address failed and the next one is to be tried; a part of an HTTP/2 answer came, and the rest of
 * it, and what other calls wait for behind it, lies already read where no socket tells of it. */
static void client_kick(struct http_client *client)
{
	client->kick = false;
	for (struct http_ticket *ticket = client->running; ticket; ticket = ticket->next) {
		if (!ticket->kick)
			continue;
		ticket->kick = false;
		curl_easy_pause(ticket->easy, CURLPAUSE_ALL);
		curl_easy_pause(ticket->easy, CURLPAUSE_CONT);
	}
}

/* Every connection is made here, so every address is judged here: after the name was resolved, before a packet leaves. */
static curl_socket_t client_open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct http_ticket *ticket = context;
	struct http_client *client = ticket->client;
	const struct http_client_config *config = &client->config;
	if (purpose != CURLSOCKTYPE_IPCXN || (address->family != AF_INET && address->family != AF_INET6)) {
		snprintf(ticket->guard_why, sizeof(ticket->guard_why), "this kind of address is not called");
		ticket->refused = true;
		return CURL_SOCKET_BAD;
	}
	if (config->guard && !ticket->proxied &&
	    !config->guard(config->guard_context, ticket->request.url, &address->addr, ticket->guard_why, sizeof(ticket->guard_why))) {
		ticket->refused = true;
		ticket_want_kick(ticket);
		return CURL_SOCKET_BAD;
	}
	int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
	if (fd < 0 || !client_watch_reserve(client, fd)) {
		ticket->starved |= fd >= 0 || errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
		if (fd >= 0)
			close(fd);
		return CURL_SOCKET_BAD;
	}
	client->watches[fd] = (struct watch){ .connection = true, .connecting = ticket };
	ticket->opened = true;
	return fd;
}

/* A connection that carries streams without an end outlives http_client_forget, so each that serves again after it is judged anew. */
static int ticket_before_request(void *context, char *remote, char *local, int remote_port, int local_port)
{
	(void)local, (void)local_port;
	struct http_ticket *ticket = context;
	const struct http_client_config *config = &ticket->client->config;
	struct ip_address ip;
	struct sockaddr_storage address;
	if (!config->guard || ticket->proxied || ticket->opened || !ticket->client->forget_us)
		return CURL_PREREQFUNC_OK;
	if (ip_parse(str_of(remote), &ip)) {
		snprintf(ticket->guard_why, sizeof(ticket->guard_why), "this kind of address is not called");
		ticket->refused = true;
		return CURL_PREREQFUNC_ABORT;
	}
	ip_to_sockaddr(&ip, (uint16_t)remote_port, &address);
	ticket->refused = !config->guard(config->guard_context, ticket->request.url, (struct sockaddr *)&address, ticket->guard_why, sizeof(ticket->guard_why));
	return ticket->refused ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

static int client_close_socket(void *context, curl_socket_t fd)
{
	struct http_client *client = context;
	if (client->watches[fd].connecting)
		ticket_want_kick(client->watches[fd].connecting);
	client_watch_set(client, fd, 0); /* explicitly: a forked child may hold the descriptor open for a moment */
	client->watches[fd] = (struct watch){ 0 };
	return close(fd);
}

/* ---- one call ---- */

static size_t ticket_on_header(char *bytes, size_t size, size_t count, void *context)
{
	struct http_ticket *ticket = context;
	if (size * count > 7 && memcmp(bytes, "HTTP/2 ", 7) == 0)
		ticket->shares = true;
	if (ticket->shares)
		ticket_want_kick(ticket);
	return http_head_add(&ticket->head, (struct str){ bytes, size * count }) ? size * count : 0;
}

static size_t ticket_on_body(char *bytes, size_t size, size_t count, void *context)
{
	struct http_ticket *ticket = context;
	size_t len = size * count, room = ticket->request.response_max - ticket->body.len;
	if (ticket->shares)
		ticket_want_kick(ticket);
	ticket->body_bytes += len;
	buf_add(&ticket->body, (struct str){ bytes, len < room ? len : room });
	ticket->truncated = len > room;
	return ticket->truncated || !buf_ok(&ticket->body) ? 0 : len;
}

static void ticket_free(struct http_ticket *ticket)
{
	if (!ticket)
		return;
	curl_easy_cleanup(ticket->easy);
	http_head_fini(&ticket->head);
	buf_fini(&ticket->body);
	mem_free(ticket->nodes);
	mem_free(ticket);
}

static struct http_ticket *ticket_new(struct http_client *client)
{
	struct http_ticket *ticket = mem_zalloc(sizeof(*ticket));
	if (!ticket)
		return NULL;
	ticket->client = client;
	http_head_init(&ticket->head);
	ticket->easy = http_easy_new(client->ca_file);
	if (!ticket->easy) {
		ticket_free(ticket);
		return NULL;
	}
	CURL *easy = ticket->easy;
	if (client->proxy)
		curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L); /* they are not the other side's */
	curl_easy_setopt(easy, CURLOPT_SHARE, client->share);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, ticket);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, ticket->why);
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, CLIENT_BUFFER_BYTES);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, ticket_on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, ticket);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, ticket_on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, ticket);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, client_open_socket);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, ticket);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, client_close_socket);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, client);
	curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, ticket_before_request);
	curl_easy_setopt(easy, CURLOPT_PREREQDATA, ticket);
	return ticket;
}

static bool ticket_set_headers(struct http_ticket *ticket)
{
	const struct http_request *request = &ticket->request;
	uint32_t count = request->header_count + 1;
	if (count > ticket->node_capacity) {
		struct curl_slist *nodes = mem_realloc(ticket->nodes, count * sizeof(*nodes));
		if (!nodes)
			return false;
		ticket->nodes = nodes;
		ticket->node_capacity = count;
	}
	for (uint32_t i = 0; i < request->header_count; i++)
		ticket->nodes[i] = (struct curl_slist){ (char *)request->headers[i], &ticket->nodes[i + 1] };
	ticket->nodes[request->header_count] = (struct curl_slist){ (char *)"Expect:", NULL };
	return curl_easy_setopt(ticket->easy, CURLOPT_HTTPHEADER, ticket->nodes) == CURLE_OK;
}

static enum ticket_shape ticket_shape_of(const char *method)
{
	return strcmp(method, "POST") == 0   ? SHAPE_POST
	       : strcmp(method, "GET") == 0  ? SHAPE_GET
	       : strcmp(method, "HEAD") == 0 ? SHAPE_HEAD
					     : SHAPE_OTHER;
}

/* Handles are used again as they are: only what differs from the last call is told to curl. */
static bool ticket_set_method(struct http_ticket *ticket)
{
	CURL *easy = ticket->easy;
	const struct http_request *request = &ticket->request;
	enum ticket_shape shape = ticket_shape_of(request->method);
	CURLcode code = CURLE_OK;
	if (shape != ticket->shape || shape == SHAPE_OTHER) {
		code |= curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, shape == SHAPE_OTHER ? request->method : NULL);
		code |= shape == SHAPE_GET    ? curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L)
			: shape == SHAPE_HEAD ? curl_easy_setopt(easy, CURLOPT_NOBODY, 1L)
					      : curl_easy_setopt(easy, CURLOPT_POST, 1L);
		ticket->shape = code ? SHAPE_NONE : shape;
	}
	if (shape == SHAPE_POST || shape == SHAPE_OTHER) {
		code |= curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
		code |= curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body.len ? request->body.ptr : "");
	}
	return code == CURLE_OK;
}

/* Curl counts a connection's life in whole seconds: fresh ones only until the count is certain. */
static CURLcode ticket_set_forget(struct http_ticket *ticket)
{
	if (!ticket->client->forget_us)
		return CURLE_OK;
	long age_s = (long)((clock_mono_us() - ticket->client->forget_us) / 1000000);
	CURLcode code = curl_easy_setopt(ticket->easy, CURLOPT_FRESH_CONNECT, age_s < 2 ? 1L : 0L);
	return code ? code : curl_easy_setopt(ticket->easy, CURLOPT_MAXLIFETIME_CONN, age_s < 2 ? 1L : age_s - 1);
}

void http_client_forget(struct http_client *client)
{
	client->forget_us = clock_mono_us();
}

/* Curl uses a connection again only for calls that go the same way. */
static CURLcode ticket_set_proxy(struct http_ticket *ticket)
{
	const struct http_client *client = ticket->client;
	const struct http_client_config *config = &client->config;
	bool proxied = client->proxy && !(config->past_proxy && config->past_proxy(config->guard_context, ticket->request.url));
	if (proxied == ticket->proxied)
		return CURLE_OK;
	CURLcode code = curl_easy_setopt(ticket->easy, CURLOPT_PROXY, proxied ? client->proxy : "");
	if (code == CURLE_OK)
		ticket->proxied = proxied;
	return code;
}

static CURLcode ticket_set_blob(struct http_ticket *ticket, CURLoption option, struct str bytes)
{
	struct curl_blob blob = { .data = (char *)bytes.ptr, .len = bytes.len, .flags = CURL_BLOB_NOCOPY };
	return bytes.len ? curl_easy_setopt(ticket->easy, option, &blob) : CURLE_OK;
}

/* Such a handle serves this one call: secrets do not stay in it. */
static CURLcode ticket_set_tls(struct http_ticket *ticket)
{
	const struct http_tls *tls = ticket->request.tls;
	if (!tls)
		return CURLE_OK;
	CURLcode code = ticket_set_blob(ticket, CURLOPT_CAINFO_BLOB, tls->ca);
	if (tls->ca.len)
		code |= curl_easy_setopt(ticket->easy, CURLOPT_CAPATH, NULL);
	code |= ticket_set_blob(ticket, CURLOPT_SSLCERT_BLOB, tls->identity);
	return code | ticket_set_blob(ticket, CURLOPT_SSLKEY_BLOB, tls->identity);
}

static bool ticket_prepare(struct http_ticket *ticket, const struct http_request *request)
{
	const struct http_client_config *config = &ticket->client->config;
	ticket->request = *request;
	ticket->body_bytes = 0;
	ticket->truncated = ticket->opened = ticket->refused = ticket->starved = ticket->shares = ticket->kick = false;
	ticket->why[0] = ticket->guard_why[0] = '\0';
	http_head_clear(&ticket->head);
	buf_clear(&ticket->body);
	ticket->body.max_bytes = request->response_max;
	int64_t connect_ms = config->connect_ms < request->timeout_ms ? config->connect_ms : request->timeout_ms;
	CURLcode code = curl_easy_setopt(ticket->easy, CURLOPT_URL, request->url);
	code |= curl_easy_setopt(ticket->easy, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
	code |= curl_easy_setopt(ticket->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)connect_ms);
	code |= ticket_set_forget(ticket);
	code |= ticket_set_proxy(ticket);
	code |= ticket_set_tls(ticket);
	return code == CURLE_OK && ticket_set_method(ticket) && ticket_set_headers(ticket);
}

static void client_list_running(struct http_client *client, struct http_ticket *ticket)
{
	ticket->next = client->running;
	ticket->previous = &client->running;
	if (ticket->next)
		ticket->next->previous = &ticket->next;
	client->running = ticket;
	client->running_count++;
	client->barred_count += ticket->barred;
}

static void client_unlist_running(struct http_client *client, struct http_ticket *ticket)
{
	*ticket->previous = ticket->next;
	if (ticket->next)
		ticket->next->previous = ticket->previous;
	client->running_count--;
	client->barred_count -= ticket->barred;
}

static void client_rest(struct http_client *client, struct http_ticket *ticket)
{
	if (ticket->request.tls) {
		ticket_free(ticket);
		return;
	}
	if (ticket->body.capacity > CLIENT_KEPT_BYTES)
		buf_fini(&ticket->body);
	ticket->next = client->idle;
	client->idle = ticket;
}

/* With the first request: who sends none has no use for curl's and OpenSSL's tables, some megabytes. */
static bool client_open_curl(struct http_client *client)
{
	if (client->multi)
		return true;
	struct http_ticket *first = ticket_new(client); /* also initialises curl, once */
	CURLM *multi = first ? curl_multi_init() : NULL;
	CURLSH *share = multi ? curl_share_init() : NULL;
	if (!share) {
		ticket_free(first);
		curl_multi_cleanup(multi);
		return false;
	}
	client->multi = multi;
	client->share = share;
	curl_share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
	curl_easy_setopt(first->easy, CURLOPT_SHARE, share);
	curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, client_on_socket);
	curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, client);
	curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, client_on_timer);
	curl_multi_setopt(multi, CURLMOPT_TIMERDATA, client);
	curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)(client->config.connections ? client->config.connections : 256));
	client_rest(client, first);
	return true;
}

static bool client_bars(const struct http_client *client, struct http_ticket *ticket)
{
	const struct http_client_config *config = &client->config;
	return config->url_guard &&
	       !config->url_guard(config->guard_context, ticket->request.url, ticket->guard_why, sizeof(ticket->guard_why));
}

enum err http_client_start(struct http_client *client, const struct http_request *request, struct http_ticket **out)
{
	CHECK(request->timeout_ms > 0);
	if (!client_open_curl(client))
		return E_NOMEM;
	struct http_ticket *ticket = request->tls ? NULL : client->idle;
	if (ticket)
		client->idle = ticket->next;
	else
		ticket = ticket_new(client);
	if (!ticket)
		return E_NOMEM;
	bool prepared = ticket_prepare(ticket, request);
	ticket->barred = prepared && client_bars(client, ticket);
	if (!prepared || (!ticket->barred && curl_multi_add_handle(client->multi, ticket->easy) != CURLM_OK)) {
		client_rest(client, ticket);
		return E_NOMEM;
	}
	client_list_running(client, ticket);
	*out = ticket;
	return E_OK;
}

void http_client_cancel(struct http_client *client, struct http_ticket *ticket)
{
	if (!ticket->barred)
		curl_multi_remove_handle(client->multi, ticket->easy);
	client_unlist_running(client, ticket);
	client_rest(client, ticket);
}

/* ---- how it ended ---- */

static void outcome_read_remote(struct http_outcome *outcome, CURL *easy)
{
	const char *address = NULL;
	long port = 0;
	curl_easy_getinfo(easy, CURLINFO_PRIMARY_IP, &address);
	curl_easy_getinfo(easy, CURLINFO_PRIMARY_PORT, &port);
	if (address && *address)
		snprintf(outcome->remote, sizeof(outcome->remote), strchr(address, ':') ? "[%s]:%ld" : "%s:%ld",
			 address, port);
}

static void outcome_read_times(struct http_outcome *outcome, CURL *easy)
{
	curl_off_t name = 0, connect = 0, tls = 0, first = 0, total = 0;
	long connections = 0;
	curl_easy_getinfo(easy, CURLINFO_NAMELOOKUP_TIME_T, &name);
	curl_easy_getinfo(easy, CURLINFO_CONNECT_TIME_T, &connect);
	curl_easy_getinfo(easy, CURLINFO_APPCONNECT_TIME_T, &tls);
	curl_easy_getinfo(easy, CURLINFO_STARTTRANSFER_TIME_T, &first);
	curl_easy_getinfo(easy, CURLINFO_TOTAL_TIME_T, &total);
	curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &connections);
	outcome->reused = connections == 0 && outcome->remote[0];
	outcome->first_byte_us = first;
	outcome->total_us = total;
	if (outcome->reused)
		return;
	outcome->dns_us = name;
	outcome->connect_us = connect > name ? connect - name : 0;
	outcome->tls_us = tls > connect ? tls - connect : 0;
}

/* It wants another password: it says so itself, of a tunnel in curl's words, otherwise as an answer. */
static bool ticket_is_unknown_to_proxy(const struct http_ticket *ticket, const struct http_outcome *outcome)
{
	bool tunnel = strncmp(ticket->request.url, "http:", 5) != 0;
	return tunnel ? strstr(ticket->why, "CONNECT tunnel failed, response 407") != NULL : outcome->status == 407;
}

/* The proxy is ours, not the other side's: without it nobody was asked. */
static bool ticket_lacks_proxy(const struct http_ticket *ticket, CURLcode code, const struct http_outcome *outcome)
{
	bool silent = code == CURLE_OPERATION_TIMEDOUT && strncmp(ticket->why, "Connection time", 15) == 0 && !outcome->reused && !outcome->connect_us;
	if (!ticket->proxied)
		return false;
	return code == CURLE_COULDNT_RESOLVE_PROXY || code == CURLE_COULDNT_CONNECT || silent || ticket_is_unknown_to_proxy(ticket, outcome);
}

static enum http_end ticket_end(const struct http_ticket *ticket, CURLcode code, const struct http_outcome *outcome)
{
	if (ticket->starved && !ticket->opened)
		return HTTP_END_OURS;
	if (ticket->refused && !ticket->opened && !outcome->status)
		return HTTP_END_GUARDED;
	if (ticket->head.endless)
		return HTTP_END_PROTOCOL;
	if (ticket_lacks_proxy(ticket, code, outcome))
		return HTTP_END_OURS;
	if (code == CURLE_WRITE_ERROR)
		return ticket->truncated ? HTTP_END_ANSWERED : HTTP_END_OURS;
	if (code == CURLE_OK && !ticket->head.ended)
		return HTTP_END_RESET; /* the connection ended among the headers */
	if (ticket->request.tls && (code == CURLE_SSL_CERTPROBLEM || code == CURLE_SSL_CACERT_BADFILE))
		return HTTP_END_TLS; /* what the caller brought cannot be used */
	return http_easy_end(code, ticket->why, outcome->remote[0], outcome->first_byte_us > 0);
}

static const char *ticket_why(const struct http_ticket *ticket, CURLcode code, const struct http_outcome *outcome)
{
	enum http_end end = outcome->end;
	if (end == HTTP_END_ANSWERED)
		return "";
	if (end == HTTP_END_OURS && outcome->status == 407)
		return "the proxy wants another user or password (deliver.proxy)";
	if (end == HTTP_END_GUARDED)
		return ticket->guard_why;
	if (ticket->head.endless)
		return "the answer's headers do not end";
	if (code == CURLE_OK)
		return "the connection was closed among the headers";
	if (ticket->starved)
		return "no descriptor or memory for another connection";
	return ticket->why[0] ? ticket->why : curl_easy_strerror(code);
}

static void client_finish(struct http_client *client, struct http_ticket *ticket, CURLcode code)
{
	struct http_outcome outcome = { .curl_code = (int)code,
					.body_bytes = ticket->body_bytes,
					.truncated = ticket->truncated };
	long status = 0;
	curl_easy_getinfo(ticket->easy, CURLINFO_RESPONSE_CODE, &status);
	outcome.status = status >= 200 ? (int)status : 0; /* 1xx is no answer */
	outcome_read_remote(&outcome, ticket->easy);
	outcome_read_times(&outcome, ticket->easy);
	outcome.end = ticket_end(ticket, code, &outcome);
	outcome.why = ticket_why(ticket, code, &outcome);
	outcome.headers = buf_str(&ticket->head.lines);
	outcome.body = buf_str(&ticket->body);
	curl_multi_remove_handle(client->multi, ticket->easy);
	client_unlist_running(client, ticket);
	ticket->request.done(ticket->request.context, &outcome);
	client_rest(client, ticket);
}

/* Within http_client_run like the others: whoever starts a call does not hear of its end before the start is over. */
static void client_finish_barred(struct http_client *client)
{
	for (uint32_t left = client->barred_count; left && client->barred_count; left--) { /* done may start and cancel others */
		struct http_ticket *ticket = client->running;
		while (!ticket->barred)
			ticket = ticket->next;
		const struct http_outcome outcome = { .end = HTTP_END_GUARDED, .why = ticket->guard_why };
		client_unlist_running(client, ticket);
		ticket->request.done(ticket->request.context, &outcome);
		client_rest(client, ticket);
	}
}

/* ---- the loop ---- */

static int client_wait_ms(const struct http_client *client, int64_t wait_us)
{
	if (client->barred_count)
		return 0;
	if (client->timer_us != INT64_MAX) {
		int64_t timer_wait_us = client->timer_us ? client->timer_us - clock_mono_us() : 0;
		if (wait_us < 0 || timer_wait_us < wait_us)
			wait_us = timer_wait_us < 0 ? 0 : timer_wait_us;
	}
	if (wait_us < 0)
		return -1;
	return wait_us > INT32_MAX ? INT32_MAX / 1000 : (int)((wait_us + 999) / 1000);
}

static void client_on_event(struct http_client *client, const struct epoll_event *event)
{
	int fd = event->data.fd, running;
	if (fd == client->wake_fd) {
		uint64_t count;
		while (read(fd, &count, sizeof(count)) < 0 && errno == EINTR)
			;
		return;
	}
	if (!client->watches[fd].wanted) { /* a resting connection ended; curl sees it when it wants to use it */
		client_watch_set(client, fd, 0);
		return;
	}
	int bits = (event->events & (EPOLLIN | EPOLLHUP) ? CURL_CSELECT_IN : 0) |
		   (event->events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
		   (event->events & EPOLLERR ? CURL_CSELECT_ERR : 0);
	curl_multi_socket_action(client->multi, fd, bits, &running);
}

static void client_finish_all(struct http_client *client)
{
	int left;
	for (CURLMsg *message; (message = curl_multi_info_read(client->multi, &left)) != NULL;) {
		if (message->msg != CURLMSG_DONE)
			continue;
		struct http_ticket *ticket = NULL;
		CURLcode code = message->data.result; /* the message dies with the handle's removal */
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&ticket);
		client_finish(client, ticket, code);
	}
}

void http_client_run(struct http_client *client, int64_t wait_us)
{
	struct epoll_event events[CLIENT_EVENTS];
	int count = epoll_wait(client->epoll_fd, events, CLIENT_EVENTS, client_wait_ms(client, wait_us)), running;
	for (int i = 0; i < count; i++)
		client_on_event(client, &events[i]);
	if (client->timer_us != INT64_MAX && client->timer_us <= clock_mono_us()) {
		client->timer_us = INT64_MAX;
		curl_multi_socket_action(client->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	}
	if (client->multi)
		client_finish_all(client);
	if (client->barred_count)
		client_finish_barred(client);
	if (client->kick)
		client_kick(client);
}

void http_client_wake(struct http_client *client)
{
	uint64_t one = 1;
	while (write(client->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

uint32_t http_client_running(const struct http_client *client)
{
	return client->running_count;
}

/* ---- birth and end ---- */

static bool client_copy_text(char **out, const char *text)
{
	if (!text)
		return true;
	size_t bytes = strlen(text) + 1;
	*out = mem_alloc(bytes);
	if (*out)
		memcpy(*out, text, bytes);
	return *out != NULL;
}

static bool client_open_epoll(struct http_client *client)
{
	client->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	client->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (client->epoll_fd < 0 || client->wake_fd < 0)
		return false;
	struct epoll_event event = { .events = EPOLLIN, .data.fd = client->wake_fd };
	return epoll_ctl(client->epoll_fd, EPOLL_CTL_ADD, client->wake_fd, &event) == 0;
}

struct http_client *http_client_new(const struct http_client_config *config)
{
	struct http_client *client = mem_zalloc(sizeof(*client));
	if (!client)
		return NULL;
	client->config = *config;
	if (client->config.connect_ms <= 0)
		client->config.connect_ms = 10000;
	client->epoll_fd = client->wake_fd = -1;
	client->timer_us = INT64_MAX;
	if (client_copy_text(&client->ca_file, config->ca_file) && client_copy_text(&client->proxy, config->proxy) && client_open_epoll(client))
		return client;
	http_client_free(client);
	return NULL;
}

void http_client_free(struct http_client *client)
{
	if (!client)
		return;
	while (client->running)
		http_client_cancel(client, client->running);
	for (uint32_t fd = 0; fd < client->watch_count; fd++)
		client->watches[fd].connecting = NULL;
	for (struct http_ticket *ticket = client->idle, *next; ticket; ticket = next) {
		next = ticket->next;
		ticket_free(ticket);
	}
	if (client->multi) {
		curl_multi_cleanup(client->multi); /* closes the connections through client_close_socket */
		curl_share_cleanup(client->share);
	}
	if (client->epoll_fd >= 0)
		close(client->epoll_fd);
	if (client->wake_fd >= 0)
		close(client->wake_fd);
	mem_free(client->watches);
	mem_free(client->ca_file);
	mem_free(client->proxy);
	mem_free(client);
}
