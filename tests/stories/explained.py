"""explain: for every reason why a job may not be running, the right code, and a sentence that says what would change it."""

from harness import check, equal, run, story


def expect(api, uid, code):
    told = api.explain(uid)
    equal(told["code"], code, f"code ({told['text']})")
    check(len(told["text"]) > 20 and told["text"].rstrip().endswith("."), f"not a sentence: {told['text']!r}")
    return told


@story
def each_code(ruche):
    """One job for each code."""
    api = ruche.api
    uid = api.enqueue("e-none")["uid"]
    expect(api, uid, "no_worker")
    api.post("/v1/queues/e-none/pause")
    expect(api, uid, "queue_paused")
    expect(api, api.enqueue("e-delay", delay_ms=3600000)["uid"], "delayed")

    api.put("/v1/queues/e-one", {"concurrency": 1})
    first, second = (api.enqueue("e-one")["uid"] for _ in range(2))
    _, token = api.claim_one("e-one", worker="hall-2")
    told = expect(api, first, "running")
    equal(told["worker"], "hall-2", "worker")
    told = expect(api, second, "queue_concurrency")
    equal((told["active"], told["limit"]), (1, 1), "active and limit")
    api.post(f"/v1/jobs/{first}/cancel")
    expect(api, first, "cancelling")
    api.fail(first, token)
    expect(api, first, "finished")

    uid = api.enqueue("e-back", max_attempts=3, retry={"kind": "fixed", "delay_ms": 3600000, "max_attempts": 3})["uid"]
    _, token = api.claim_one("e-back")
    api.fail(uid, token)
    check(expect(api, uid, "retry_backoff")["until_at"], "until when")

    uid = api.enqueue("e-group", group="g")["uid"]
    api.post("/v1/queues/e-group/groups/g/pause")
    expect(api, uid, "group_paused")

    api.put("/v1/queues/e-gc", {"group_concurrency": 1})
    blocked = [api.enqueue("e-gc", group="g")["uid"] for _ in range(2)][1]
    api.claim_one("e-gc")
    expect(api, blocked, "group_concurrency")

    api.put("/v1/queues/e-rate", {"rate": {"max": 1, "per_ms": 3600000}})
    blocked = [api.enqueue("e-rate")["uid"] for _ in range(2)][1]
    api.claim_one("e-rate")
    check(expect(api, blocked, "queue_rate")["until_at"], "until when")

    api.put("/v1/queues/e-gr", {"group_rate": {"max": 1, "per_ms": 3600000}})
    blocked = [api.enqueue("e-gr", group="g")["uid"] for _ in range(2)][1]
    api.claim_one("e-gr")
    expect(api, blocked, "group_rate")


@story
def ahead_of_it(ruche):
    """How many stand before it."""
    api = ruche.api
    uids = [result["uid"] for result in api.post("/v1/jobs", {"jobs": [{"queue": "line"} for _ in range(5)]})["results"]]
    equal(api.explain(uids[4])["ahead"], 4, "ahead")


@story
def nobody_there(ruche):
    """A job that is not there is not found."""
    ruche.api.refused("GET", "/v1/jobs/0000000000001/explain", status=404, code="job_not_found")


if __name__ == "__main__":
    run()
