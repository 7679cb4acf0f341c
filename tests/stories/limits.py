"""Queue-wide limits, pause, priorities, time to live, and the long poll that they hold back."""

import threading

from harness import check, equal, run, story


@story
def queue_concurrency(ruche):
    """At most three active; a completion lets the next one in."""
    api = ruche.api
    api.put("/v1/queues/three", {"concurrency": 3})
    uids = [result["uid"] for result in api.post("/v1/jobs", {"jobs": [{"queue": "three"} for _ in range(5)]})["results"]]
    claimed = api.claim("three", max=10)
    equal(len(claimed["jobs"]), 3, "active")
    equal(api.explain(uids[4])["code"], "queue_concurrency", "why the fifth waits")
    api.complete(claimed["jobs"][0]["uid"], claimed["token"])
    equal(len(api.claim("three", max=10)["jobs"]), 1, "claimed after one ended")


@story
def queue_rate(ruche):
    """Two starts an hour; an empty claim says why and when."""
    api = ruche.api
    api.put("/v1/queues/slowly", {"rate": {"max": 2, "per_ms": 3600000}})
    uids = [result["uid"] for result in api.post("/v1/jobs", {"jobs": [{"queue": "slowly"} for _ in range(3)]})["results"]]
    equal(len(api.claim("slowly", max=10)["jobs"]), 2, "started")
    nothing = api.claim("slowly")
    equal(nothing["reason"], "queue_rate", "reason")
    check(0 < nothing["next_due_ms"] <= 3600000, "when")
    equal(api.explain(uids[2])["code"], "queue_rate", "why the third waits")


@story
def pause_and_resume(ruche):
    """A paused queue takes jobs and starts none; a waiting worker gets one at the moment it is resumed."""
    api = ruche.api
    api.patch("/v1/queues/halt", {})
    api.post("/v1/queues/halt/pause")
    uid = api.enqueue("halt")["uid"]
    equal(api.claim("halt")["reason"], "queue_paused", "reason")
    equal(api.explain(uid)["code"], "queue_paused", "why it waits")
    got = []
    worker = threading.Thread(target=lambda: got.append(api.again().claim("halt", wait_ms=30000)))
    worker.start()
    api.post("/v1/queues/halt/resume")
    worker.join(60)
    equal([job["uid"] for job in got[0]["jobs"]], [uid], "what the waiting worker got")


@story
def priority_and_lifo(ruche):
    """0 before 1 before 5; within one, lifo goes to the head; a new priority moves a job."""
    api = ruche.api
    for payload, fields in (("c", {"priority": 5}), ("a", {"priority": 0}), ("b1", {"priority": 1}), ("b0", {"priority": 1, "lifo": True})):
        api.enqueue("ranks", payload, **fields)
    late = api.enqueue("ranks", "late", priority=9)["uid"]
    api.post(f"/v1/jobs/{late}/priority", {"priority": 0})
    equal([job["payload"] for job in api.claim("ranks", max=9)["jobs"]], ["a", "late", "b0", "b1", "c"], "order")


@story
def delayed_jobs_become_due(ruche):
    """delay_ms and run_at: not before, and soon after."""
    api = ruche.api
    late = api.enqueue("later", "late", delay_ms=3600000)
    equal(late["state"], "delayed", "state")
    equal(api.explain(late["uid"])["code"], "delayed", "why it waits")
    api.enqueue("later", "soon", delay_ms=50)
    job, _ = api.claim_one("later")
    equal(job["payload"], "soon", "who came first")
    equal(api.enqueue("later", "past", run_at="2020-01-01T00:00:00Z")["state"], "waiting", "an instant in the past")
    equal(api.enqueue("later", "future", run_at="2090-01-01T00:00:00Z")["state"], "delayed", "an instant to come")


@story
def time_to_live(ruche):
    """What did not start in time expires and never starts."""
    api = ruche.api
    uid = api.enqueue("fresh", ttl_ms=1)["uid"]
    equal(api.wait(uid)["state"], "expired", "state")
    equal(api.claim("fresh")["jobs"], [], "jobs")


@story
def several_queues_in_order(ruche):
    """One claim over several queues serves them in the order listed."""
    api = ruche.api
    api.enqueue("low", "low")
    api.enqueue("high", "high")
    equal([job["payload"] for job in api.claim("high", "low", max=2)["jobs"]], ["high", "low"], "order")


@story
def move_to_another_queue(ruche):
    """A waiting job moves; it is claimed where it went."""
    api = ruche.api
    uid = api.enqueue("here", "x")["uid"]
    api.post(f"/v1/jobs/{uid}/move", {"queue": "there"})
    equal(api.claim("here")["jobs"], [], "left behind")
    equal(api.claim_one("there")[0]["uid"], uid, "uid")
    equal(api.job(uid)["queue"], "there", "queue")


@story
def max_zero_only_tells(ruche):
    """A claim of none tells whether something is there, and takes nothing."""
    api = ruche.api
    api.enqueue("peek")
    told = api.claim("peek", max=0)
    equal((told["jobs"], told["ready"] >= 1), ([], True), "jobs and ready")
    equal(api.states("peek")["waiting"], 1, "waiting")


if __name__ == "__main__":
    run()
