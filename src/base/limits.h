/* src/base/limits.h: every fixed bound in one place. What an operator may change is a configuration key; its default and
 * its ceiling stand here. Bytes unless the name says otherwise. */
#pragma once

#define LIMIT_NAME_BYTES          255          /* namespace, queue, job name, worker */
#define LIMIT_ID_BYTES            512          /* a caller's job id, a group key, a lease token, an Idempotency-Key */
#define LIMIT_TAGS                32           /* tags of a job */
#define LIMIT_TAG_BYTES           128
#define LIMIT_TRACE_BYTES         8192         /* trace context of a job, as JSON */
#define LIMIT_METADATA_BYTES      65536        /* a job's metadata, as JSON */
#define LIMIT_TARGET_BYTES        16384        /* a job's own HTTP target, as JSON */
#define LIMIT_URL_BYTES           8192
#define LIMIT_PAYLOAD_INLINE      (256 * 1024) /* above it a body is staged in chunks */
#define LIMIT_BODY_CHUNK          (256 * 1024)
#define LIMIT_BODY_DEFAULT        (4 * 1024 * 1024)
#define LIMIT_BODY_MAX            (64 * 1024 * 1024)
#define LIMIT_BODY_SMALL          (64 * 1024)  /* of a request that brings a few words */
#define LIMIT_BODY_SETTINGS       (1024 * 1024) /* of one that brings settings, a claim or a filter */
#define LIMIT_BODY_MEMORY         (256 * 1024 * 1024) /* of all requests together */
#define LIMIT_BATCH_BYTES         (4 * 1024 * 1024) /* a change-set closes at this, unless one atomic call needs more */
#define LIMIT_BATCH_ROWS          8192              /* rows a change-set may dirty before it closes */
#define LIMIT_HEADER_BYTES        16384
#define LIMIT_HEADERS             100
#define LIMIT_OPS                 20000        /* operations of one request */
#define LIMIT_PARENTS             100          /* parents of one job */
#define LIMIT_TREE_JOBS           10000        /* a job and all below it, cancelled, retried or deleted at once */
#define LIMIT_PAST_ERRORS         100          /* errors that a job brings from elsewhere */
#define LIMIT_PAST_CHILDREN       10000        /* ended children that it brings from there */
#define LIMIT_CLAIM               1000         /* jobs of one claim */
#define LIMIT_CLAIM_QUEUES        64
#define LIMIT_JSON_DEPTH          128
#define LIMIT_JSON_ANSWER_DEPTH   192          /* of our own answers, which hold payloads of that depth */
#define LIMIT_ATTEMPTS            1000000      /* max_attempts */
#define LIMIT_PRIORITY            2097151      /* 0 first; BullMQ's range */
#define LIMIT_RETRY_LIST          32           /* steps of an explicit back-off list */
#define LIMIT_CRON_BYTES          1024         /* a cron expression: twice what naming every value takes */
#define LIMIT_DURATION_MS         315360000000 /* ten years */
#define LIMIT_RATE_MAX            1000000      /* starts per window of a rate limit */
#define LIMIT_LEASE_MS            86400000
#define LIMIT_WAIT_MS             300000       /* a long poll */
#define LIMIT_ERROR_BYTES         16384        /* a failure's type, message and stack together; longer is cut */
#define LIMIT_LOG_LINE_BYTES      8192
#define LIMIT_LOG_LINES           10000        /* log lines of one attempt */
#define LIMIT_PROGRESS_BYTES      16384
#define LIMIT_RESPONSE_BYTES      65536        /* kept of a third party's answer */
#define LIMIT_PAGE                1000         /* rows of one list page */
#define LIMIT_STALLS              1            /* lost leases of a job before it fails, by default */
#define LIMIT_METRIC_MINUTES      100000       /* minutes of a queue's metrics */
#define LIMIT_EVENTS_KEPT         10000000     /* of a queue, when it says how many */
#define LIMIT_EVENT_BYTES         16384        /* details of a custom event, as JSON */
#define LIMIT_TRIM_ROWS           5000         /* commits whose events of a queue are trimmed at once */
#define LIMIT_WORKERS             10000        /* told to the daemon at a time */
#define LIMIT_SLICE_JOBS          500          /* jobs of one slice of bulk work or retention */
#define LIMIT_NAMEDS              100000       /* endpoints, formats, sources, secrets and event types together */
#define LIMIT_NAMED_BYTES         65536        /* settings of one of them, as JSON */
#define LIMIT_SLICE_ENTITIES      5000         /* rows of an endpoint's entities that go at once */
