"""Retention: finished jobs go by count, age or at once; live ones never."""

from harness import check, equal, run, story


def finish(api, queue, count):
    api.post("/v1/jobs", {"jobs": [{"queue": queue, "payload": n} for n in range(count)]})
    left = count
    while left:
        claimed = api.claim(queue, max=1000)
        api.post("/v1/leases/complete", {"token": claimed["token"], "leases": [{"uid": job["uid"]} for job in claimed["jobs"]]})
        left -= len(claimed["jobs"])
    return claimed["jobs"][-1]["uid"]


def until_kept(api, queue, wanted):
    """Retention works in slices of its own; each look waits a little inside the daemon."""
    for _ in range(600):
        kept = api.states(queue)["completed"]
        if kept == wanted:
            return
        api.claim("nobody", wait_ms=50)
    equal(kept, wanted, "kept")


@story
def by_count(ruche):
    """At most a hundred are kept: the newest."""
    api = ruche.api
    api.put("/v1/queues/counted", {"keep_completed": {"count": 100, "age_ms": 0, "bytes": 0}})
    api.enqueue("counted", "live", delay_ms=3600000, id="live")
    last = finish(api, "counted", 2000)
    until_kept(api, "counted", 100)
    equal(api.job(last)["state"], "completed", "the newest")
    equal(api.get("/v1/queues/counted/jobs/live")["state"], "delayed", "the live one")
    equal(api.get("/v1/queues/counted")["ended"]["completed"], 2000, "ended ever")


@story
def none_and_all(ruche):
    """`none` removes a job when it ends; `all` keeps everything."""
    api = ruche.api
    api.put("/v1/queues/none", {"keep_completed": "none"})
    uid = finish(api, "none", 3)
    until_kept(api, "none", 0)
    api.refused("GET", f"/v1/jobs/{uid}", status=404, code="job_not_found")
    api.put("/v1/queues/all", {"keep_completed": "all"})
    finish(api, "all", 3)
    equal(api.states("all")["completed"], 3, "kept")


@story
def by_age(ruche):
    """What is older than it may be goes."""
    api = ruche.api
    api.put("/v1/queues/aged", {"keep_completed": {"count": 0, "age_ms": 100, "bytes": 0}})
    finish(api, "aged", 10)
    until_kept(api, "aged", 0)


@story
def by_bytes(ruche):
    """What is more than it may be goes, oldest first."""
    api = ruche.api
    api.put("/v1/queues/heavy", {"keep_completed": {"count": 0, "age_ms": 0, "bytes": 50000}})
    for _ in range(20):
        uid = api.enqueue("heavy", "x" * 10000)["uid"]
        _, token = api.claim_one("heavy")
        api.complete(uid, token)
    for _ in range(600):
        kept = api.states("heavy")["completed"]
        if kept <= 5:
            break
        api.claim("nobody", wait_ms=50)
    check(1 <= kept <= 5, f"{kept} kept of some 10,000 bytes each")
    equal(api.job(uid)["state"], "completed", "the newest")


if __name__ == "__main__":
    run()
