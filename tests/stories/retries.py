"""Failure: back-off, verdicts, the end of attempts, and retries by hand."""

from harness import check, equal, run, story


@story
def fails_until_attempts_are_spent(ruche):
    """Three attempts by the policy, each recorded, then failed for good with the last error."""
    api = ruche.api
    uid = api.enqueue("flaky", retry={"kind": "fixed", "delay_ms": 1, "max_attempts": 3, "jitter": "none"})["uid"]
    for attempt in (1, 2, 3):
        job, token = api.claim_one("flaky")
        equal(job["attempt"], attempt, "attempt")
        api.fail(uid, token, f"broke {attempt}")
    job = api.wait(uid)
    equal((job["state"], job["outcome"], job["attempts_made"]), ("failed", "attempts_spent", 3), "state, outcome, attempts")
    equal(job["error"]["message"], "broke 3", "the last error")
    attempts = api.get(f"/v1/jobs/{uid}/attempts")["attempts"]
    equal([attempt["error"]["message"] for attempt in attempts], ["broke 1", "broke 2", "broke 3"], "recorded attempts")


@story
def backs_off(ruche):
    """After a failure the job is delayed, by the policy's wait, and says until when."""
    api = ruche.api
    uid = api.enqueue("backoff", retry={"kind": "exponential", "delay_ms": 3600000, "factor": 2, "max_attempts": 5, "jitter": "none"})["uid"]
    _, token = api.claim_one("backoff")
    api.fail(uid, token)
    equal(api.job(uid)["state"], "delayed", "state")
    explained = api.explain(uid)
    equal(explained["code"], "retry_backoff", "why it waits")
    check(explained["until_at"], "until when")
    api.post(f"/v1/jobs/{uid}/promote")
    equal(api.job(uid)["state"], "waiting", "state once promoted")


@story
def the_worker_chooses(ruche):
    """Never again, first in line, last in line, after a delay."""
    api = ruche.api
    for verdict, state in (("final", "failed"), ("head", "waiting"), ("tail", "waiting"), ({"delay_ms": 3600000}, "delayed")):
        queue = "verdict"
        uid = api.enqueue(queue, max_attempts=5)["uid"]
        _, token = api.claim_one(queue)
        api.fail(uid, token, verdict=verdict)
        equal(api.job(uid)["state"], state, f"state after {verdict}")
        if state != "failed":
            api.delete(f"/v1/jobs/{uid}")


@story
def head_and_tail(ruche):
    """head puts the job before those that wait, tail behind them."""
    api = ruche.api
    first = api.enqueue("line", "first", max_attempts=5)["uid"]
    api.enqueue("line", "second")
    for verdict, expected in (("head", "first"), ("tail", "second")):
        job, token = api.claim_one("line")
        equal(job["uid"], first, "the first one")
        api.fail(first, token, verdict=verdict)
        peek, token = api.claim_one("line")
        equal(peek["payload"], expected, f"who comes after {verdict}")
        api.post(f"/v1/leases/{peek['uid']}/release", {"token": token})


@story
def retry_with_an_edited_payload(ruche):
    """A failed job runs again with another payload; the first one stays on record; attempts count anew."""
    api = ruche.api
    uid = api.enqueue("edit", {"to": "wrong"}, max_attempts=1)["uid"]
    _, token = api.claim_one("edit")
    api.fail(uid, token)
    equal(api.job(uid)["state"], "failed", "state")
    api.post(f"/v1/jobs/{uid}/retry", {"payload": {"to": "right"}})
    job, token = api.claim_one("edit")
    equal((job["uid"], job["payload"], job["attempts_made"]), (uid, {"to": "right"}, 0), "job, payload, attempts")
    equal(api.get(f"/v1/jobs/{uid}/payload"), {"to": "right"}, "the payload in force")
    api.complete(uid, token)
    equal(api.job(uid)["state"], "completed", "state in the end")


@story
def a_finished_job_does_not_change_by_itself(ruche):
    """Completed stays completed: cancel and promote are refused, delete and retry are not."""
    api = ruche.api
    uid = api.enqueue("done")["uid"]
    _, token = api.claim_one("done")
    api.complete(uid, token)
    for verb in ("cancel", "promote"):
        api.refused("POST", f"/v1/jobs/{uid}/{verb}", {}, status=409, code="illegal_state")
    api.post(f"/v1/jobs/{uid}/retry")
    equal(api.job(uid)["state"], "waiting", "state after a retry by hand")


@story
def retry_all_that_match(ruche):
    """A bulk operation retries what its filter matches, and nothing else; it can be followed to its end."""
    api = ruche.api
    jobs = [{"queue": "bulk", "id": f"{kind}-{n}", "name": kind, "max_attempts": 1} for n in range(60) for kind in ("mail", "sms")]
    api.post("/v1/jobs", {"jobs": jobs})
    claimed = api.claim("bulk", max=120)
    leases = [{"uid": job["uid"], "error": {"message": "down"}} for job in claimed["jobs"]]
    api.post("/v1/leases/fail", {"token": claimed["token"], "leases": leases})
    equal(api.states("bulk")["failed"], 120, "failed")
    events = api.events(queue="bulk")
    operation = api.post("/v1/operations", {"action": "retry", "filter": {"queue": "bulk", "states": ["failed"], "name": "mail"}})
    for _ in range(60):
        events.until("retried")
    events.close()
    while operation["state"] == "running":  # the last rows are counted a moment after their events
        operation = api.get(f"/v1/operations/{operation['uid']}")
    equal((operation["state"], operation["done"]), ("done", 60), "operation")
    states = api.states("bulk")
    equal((states["waiting"], states["failed"]), (60, 60), "waiting and failed")


if __name__ == "__main__":
    run()
