"""Reads: jobs by their places, many at once, log lines from either end, counts by priority: what a board or another queue's client asks."""

from harness import check, equal, run, story


def ids(answer):
    return [entry["id"] for entry in answer["ids"]]


@story
def a_client_says_hello(ruche):
    """GET /v1 tells who answers, without a token."""
    hello = ruche.api.get("/v1")
    equal(hello["api"], [1, 1], "versions of the API")
    check("ranges" in hello["features"] and hello["version"], "version and features")
    connection = ruche.connect()
    connection.request("GET", "/v1")
    equal(connection.getresponse().status, 200, "without a token")
    connection.close()


@story
def jobs_by_their_places(ruche):
    """Each state in the order in which its jobs go; stretches from either end; the total beside it."""
    api = ruche.api
    api.post("/v1/jobs", {"jobs": [{"queue": "line", "id": f"w{n}"} for n in range(5)] + [{"queue": "line", "id": "first", "lifo": True}]
                          + [{"queue": "line", "id": f"p{n}", "priority": 9 - n} for n in range(3)]
                          + [{"queue": "line", "id": f"d{n}", "delay_ms": 3600000 - n * 60000} for n in range(3)]})
    line = "/v1/queues/line/range?state="
    answer = api.get(line + "waiting")
    equal((answer["total"], ids(answer)), (6, ["first", "w0", "w1", "w2", "w3", "w4"]), "waiting")
    equal(ids(api.get(line + "waiting&from=1&to=2")), ["w0", "w1"], "places 1 and 2")
    equal(ids(api.get(line + "waiting&from=-2&to=-1")), ["w3", "w4"], "the last two")
    equal(ids(api.get(line + "waiting&order=desc&to=1")), ["w4", "w3"], "the last two, last first")
    equal(ids(api.get(line + "prioritised")), ["p2", "p1", "p0"], "prioritised")
    equal(ids(api.get(line + "delayed")), ["d2", "d1", "d0"], "delayed")
    equal(api.get(line + "delayed&what=none"), {"total": 3}, "only the total")
    due = api.get("/v1/queues/line/jobs/d1")["due_at"]
    equal(ids(api.get(line + f"delayed&before={due}")), ["d2"], "due before")
    equal(ids(api.get(line + "waiting&before=2026-01-01T00:00:00Z")), [], "enqueued before")
    equal(api.get(line + "failed")["total"], 0, "none failed")
    for name in ("first", "w0", "w1"):
        job, token = api.claim_one("line")
        equal(job["id"], name, "who goes first")
        if name != "w1":
            api.complete(job["uid"], token, {"of": name})
    equal(ids(api.get(line + "active")), ["w1"], "active")
    done = api.get(line + "completed&what=jobs&parts=payload,result&order=desc")
    equal([(job["id"], job["result"]["of"], job["payload"]) for job in done["jobs"]], [("w0", "w0", None), ("first", "first", None)], "whole jobs")
    equal(done["total"], 2, "completed")
    api.refused("GET", "/v1/queues/none/range?state=waiting", status=404, code="queue_not_found")


@story
def a_page_and_a_change_by_state(ruche):
    """What a range told is changed by uid, and a job read in between is what it is by then."""
    api = ruche.api
    api.post("/v1/jobs", {"jobs": [{"queue": "drain", "id": str(n)} for n in range(1200)]})
    for expected in (1000, 200):
        answer = api.get("/v1/queues/drain/range?state=waiting&to=-1")
        equal(len(answer["ids"]), expected, "at most 1,000 at once")
        results = api.post("/v1/batch", {"ops": [{"op": "delete", "uid": entry["uid"]} for entry in answer["ids"]]})["results"]
        check(all(result["deleted"] for result in results), "all deleted")
    equal(api.get("/v1/queues/drain/range?state=waiting"), {"total": 0, "ids": []}, "drained")


@story
def many_in_one_answer(ruche):
    """jobs/read answers in the order asked, null for what is not there; errors of attempts, the newest last."""
    api = ruche.api
    api.patch("/v1/queues/many", {"retry": {"kind": "fixed", "delay_ms": 0, "max_attempts": 3, "jitter": "none"}})
    api.enqueue("many", {"n": 1}, id="one")
    for text in ("first", "second"):
        job, token = api.claim_one("many")
        api.fail(job["uid"], token, text)
    anonymous = api.enqueue("many", [2])["uid"]
    other = api.enqueue("other", 3, id="one")["uid"]
    found = api.post("/v1/queues/many/jobs/read", {"ids": ["none", "one", anonymous, "one"], "parts": ["payload", "errors", "progress"]})["jobs"]
    equal([job and job["id"] for job in found], [None, "one", anonymous, "one"], "in order")
    equal([error["message"] for error in found[1]["errors"]], ["first", "second"], "errors")
    equal((found[1]["payload"], found[2]["payload"], "result" in found[1]), ({"n": 1}, [2], False), "parts")
    found = api.post("/v1/queues/many/jobs/read", {"uids": [anonymous, other]})["jobs"]
    equal([job and job["uid"] for job in found], [anonymous, None], "another queue's job is not here")


@story
def log_lines_from_either_end(ruche):
    """Lines by place, oldest or newest first, with their count."""
    api = ruche.api
    api.enqueue("talk")
    job, token = api.claim_one("talk")
    equal(api.get(f"/v1/jobs/{job['uid']}/logs"), {"logs": [], "count": 0, "next_cursor": None}, "no line yet")
    api.post(f"/v1/leases/{job['uid']}/log", {"token": token, "lines": [f"line {n}" for n in range(7)]})

    def lines(query):
        answer = api.get(f"/v1/jobs/{job['uid']}/logs?{query}")
        equal(answer["count"], 7, "count")
        return [int(entry["line"].split()[1]) for entry in answer["logs"]]

    equal(lines("from=2&limit=3"), [2, 3, 4], "from place 2")
    equal(lines("order=desc&limit=3"), [6, 5, 4], "the newest first")
    equal(lines("order=desc&from=5"), [1, 0], "the newest first, from place 5")


@story
def counts_of_priorities(ruche):
    """queue_get counts the priorities asked for; the queue says how many of those that wait have one."""
    api = ruche.api
    api.post("/v1/jobs", {"jobs": [{"queue": "ranks", "priority": n % 3} for n in range(9)]})
    queue = api.post("/v1/batch", {"ops": [{"op": "queue_get", "queue": "ranks", "priorities": [2, 5, 0]}]})["results"][0]
    equal([(entry["priority"], entry["waiting"]) for entry in queue["priorities"]], [(2, 3), (5, 0), (0, 3)], "as asked")
    equal((queue["states"]["waiting"], queue["prioritised"]), (9, 6), "prioritised")


@story
def ends_by_the_minute(ruche):
    """Completed and failed jobs are counted in the minute of their end, and it survives a crash."""
    api = ruche.api
    api.patch("/v1/queues/pace", {"retry": {"kind": "fixed", "delay_ms": 0, "max_attempts": 1, "jitter": "none"}, "keep_completed": "none"})
    equal(api.get("/v1/queues/pace/metrics")["completed"], {"count": 0, "count_before": 0, "minute_at": None, "total": 0, "points": []}, "nothing yet")
    for n in range(5):
        uid = api.enqueue("pace", n)["uid"]
        _, token = api.claim_one("pace")
        api.fail(uid, token) if n == 0 else api.complete(uid, token)

    def ended():
        metrics = api.get("/v1/queues/pace/metrics")
        for series in metrics.values():
            equal(len(series["points"]), series["total"], "points")
            equal(sum(series["points"]), series["count_before"], "what the minutes before say")  # all are within the minutes that are kept
        return metrics["completed"]["count"], metrics["failed"]["count"]

    equal(ended(), (4, 1), "ended")
    equal(ruche.cli("queues", "metrics", "pace").decode().split()[:3], ["MINUTE", "COMPLETED", "FAILED"], "on the command line")
    ruche.restart()
    api = ruche.api
    equal(ended(), (4, 1), "ended, after a crash")


@story
def events_of_ones_own(ruche):
    """An event that a program sends is told to who listens; one queue's log is trimmed without touching another's."""
    api = ruche.api
    for name in ("log", "other"):
        for n in range(3):
            api.enqueue(name, n)
    start = api.get("/v1/events?queue=log&after=$&wait_ms=0")["cursor"]
    api.post("/v1/batch", {"ops": [{"op": "event", "queue": "log", "name": "cleaned", "details": {"count": 3}}]})
    ruche.cli("events", "send", "log", "again")
    answer = api.get(f"/v1/events?queue=log&after={start}&wait_ms=30000")
    events = answer["events"] + (api.get(f"/v1/events?queue=log&after={answer['cursor']}&wait_ms=30000")["events"] if len(answer["events"]) < 2 else [])
    equal([(event["type"], event["event"], event["details"], event["uid"]) for event in events],
          [("custom", "cleaned", {"count": 3}, None), ("custom", "again", {}, None)], "from then on")
    result = api.post("/v1/batch", {"ops": [{"op": "events_trim", "queue": "log", "keep": 2}]})["results"][0]
    equal((result["count"], result["more"]), (3, False), "trimmed")
    kept = api.get("/v1/events?queue=log&after=0&limit=100")
    equal([event["event"] for event in kept["events"]], ["cleaned", "again"], "what is kept")
    equal(len(api.get("/v1/events?queue=other&after=0&limit=100")["events"]), 3, "the other queue's")
    check(api.get("/v1/events?queue=log&after=0.1&limit=100")["gap"], "a cursor before it is told of the gap")
    check(not api.get(f"/v1/events?queue=log&after={answer['cursor']}&limit=100")["gap"], "a cursor behind it is not")
    check(b"2 events of log are gone" in ruche.cli("events", "trim", "log"), "trimmed on the command line")
    api.refused("POST", "/v1/batch", {"atomic": True, "ops": [{"op": "event", "queue": "nowhere", "name": "x"}]}, status=404, code="queue_not_found")


@story
def who_works(ruche):
    """Workers tell of themselves, are listed by queue, and go."""
    api = ruche.api
    told = api.put("/v1/workers/host-1:77", {"queue": "shop", "name": "shop worker"})
    equal((told["kind"], told["queue"], told["address"]), ("worker", "shop", "unix"), "told")
    api.put("/v1/workers/host-2:78", {"queue": "shop", "kind": "events", "ttl_ms": 600000})
    api.put("/v1/workers/host-1:77", {"queue": "shop", "name": "shop worker", "ttl_ms": 600000})
    equal([worker["id"] for worker in api.get("/v1/workers?queue=shop")["workers"]], ["host-1:77", "host-2:78"], "listed")
    check(b"host-2:78" in ruche.cli("workers", "list", "--queue", "shop"), "on the command line")
    api.delete("/v1/workers/host-1:77")
    equal([worker["id"] for worker in api.get("/v1/workers")["workers"]], ["host-2:78"], "gone")
    ruche.restart()
    equal(ruche.api.get("/v1/workers"), {"workers": []}, "forgotten by a restart")


if __name__ == "__main__":
    run()
