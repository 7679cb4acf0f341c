/* src/daemon/telling.h: what the daemon says about itself: the checks of /readyz and the gauges of /metrics. Values in, text out. */
#pragma once
#include "daemon/engine_thread.h"
#include "daemon/reader_pool.h"
#include "daemon/vitals.h"
#include "deliver/deliver.h"
#include "http/server.h"

struct telling {
	struct engine_view view;
	struct vitals vitals; /* a second old at most */
	struct deliver_stats deliver;
	struct reader_pool_stats readers;
	struct http_server_stats http;
	bool quiescing;
};
/* JSON members, one a check: "store":{"ok":true,…}. True when all are well. */
bool telling_checks(const struct telling *telling, struct buf *out);
/* OpenMetrics text. */
void telling_metrics(const struct telling *telling, struct buf *out);
