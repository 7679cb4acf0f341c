"""Lists: filters, order, pages, search; counts; health and metrics."""

from harness import check, equal, run, story


@story
def filters_and_pages(ruche):
    """Every filter finds what it should; pages follow each other without a gap or a double."""
    api = ruche.api
    jobs = [{"queue": "list", "id": f"sheet-{n:03}", "name": f"kind-{n % 3}", "group": f"g{n % 2}", "tags": [f"t{n % 5}"], "payload": n} for n in range(100)]
    api.post("/v1/jobs", {"jobs": jobs})
    api.enqueue("other", 0)
    for query, count in (("queue=list", 100), ("queue=list&name=kind-0", 34), ("queue=list&group=g1", 50), ("queue=list&tag=t4", 20), ("queue=list&id=sheet-01*", 10),
                         ("queue=list&id=sheet-042", 1), ("queue=list&state=active", 0), ("queue=list&state=waiting,delayed", 100), ("queue=none", 0)):
        listed = api.get(f"/v1/jobs?{query}&limit=1000", status=(200, 404)).get("jobs", [])
        equal(len(listed), count, query)
    seen, cursor = [], ""
    while True:
        page = api.get(f"/v1/jobs?queue=list&limit=7&order=oldest{cursor}")
        seen += [job["id"] for job in page["jobs"]]
        if not page["next_cursor"]:
            break
        cursor = f"&cursor={page['next_cursor']}"
    equal(seen, [f"sheet-{n:03}" for n in range(100)], "all pages, oldest first")
    equal([job["id"] for job in api.get("/v1/jobs?queue=list&limit=3")["jobs"]], ["sheet-099", "sheet-098", "sheet-097"], "newest first")


@story
def created_is_one_instant(ruche):
    """A claim, the job itself and the filters agree on when a job was created, to the millisecond."""
    api = ruche.api
    uids = [api.enqueue("instants", number)["uid"] for number in range(20)]
    for uid, grant in zip(uids, api.claim("instants", max=20)["jobs"]):
        created = api.job(uid)["created_at"]
        equal(grant["created_at"], created, "of the claim")
        check(uid in [job["uid"] for job in api.get(f"/v1/jobs?queue=instants&created_after={created}&limit=100")["jobs"]], "a job created at that instant")
        check(uid not in [job["uid"] for job in api.get(f"/v1/jobs?queue=instants&created_before={created}&limit=100")["jobs"]], "a job not created before it")


@story
def search_in_errors(ruche):
    """Failed jobs are found by what their error says."""
    api = ruche.api
    for text in ("connection refused", "bad address", "connection reset"):
        uid = api.enqueue("errors", max_attempts=1)["uid"]
        _, token = api.claim_one("errors")
        api.fail(uid, token, text)
    found = api.get("/v1/jobs?queue=errors&state=failed&error=connection")["jobs"]
    equal(len(found), 2, "found")


@story
def queues_and_stats(ruche):
    """Queues with counts by state and priority, rates and times; totals."""
    api = ruche.api
    api.post("/v1/jobs", {"jobs": [{"queue": "stats", "priority": n % 2} for n in range(10)]})
    job, token = api.claim_one("stats")
    api.complete(job["uid"], token)
    queue = api.get("/v1/queues/stats")
    equal((queue["states"]["waiting"], queue["states"]["completed"], queue["enqueued"]), (9, 1, 10), "counts")
    equal({entry["priority"]: entry["waiting"] for entry in queue["priorities"]}, {0: 4, 1: 5}, "by priority")
    check(queue["oldest_waiting_at"] and queue["wait_ms"]["p50"] is not None, "oldest and wait")
    api.get("/v1/queues/stats/stats")
    api.get("/v1/stats")


@story
def health_and_metrics(ruche):
    """/livez, /readyz, /metrics say what they should."""
    api = ruche.api
    api.enqueue("m", 1)
    api.call("GET", "/livez")
    check(b"store" in api.call("GET", "/readyz?verbose").body, "readyz?verbose names its checks")
    metrics = api.call("GET", "/metrics").body.decode()
    check("# TYPE" in metrics and "ruche_" in metrics and metrics.endswith("# EOF\n"), "OpenMetrics text")


if __name__ == "__main__":
    run()
