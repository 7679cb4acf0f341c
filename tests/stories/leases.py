"""Leases: tokens, fences, heartbeats, stalls, cancel while running, giving back."""

from harness import check, equal, run, story


@story
def a_stale_lease_changes_nothing(ruche):
    """After its lease was lost and granted anew, the first worker is told so, and the second one's completion counts."""
    api = ruche.api
    uid = api.enqueue("stale")["uid"]
    _, first = api.claim_one("stale", lease_ms=50)
    job, second = api.claim_one("stale", lease_ms=60000)  # comes when the first lease has run out
    equal((job["uid"], job["stalls"]), (uid, 1), "uid and stalls")
    api.refused("POST", f"/v1/leases/{uid}/complete", {"token": first, "result": "late"}, status=409, code="stale_lease")
    api.refused("POST", f"/v1/leases/{uid}/complete", {"token": second, "fence": job["fence"] - 1}, status=409, code="stale_lease")
    api.complete(uid, second, "good")
    equal(api.get(f"/v1/jobs/{uid}/result"), "good", "result")
    api.refused("POST", f"/v1/leases/{uid}/complete", {"token": second}, status=409, code="stale_lease")


@story
def stalls_are_bounded(ruche):
    """A job whose workers vanish again and again fails, and says why."""
    api = ruche.api
    api.put("/v1/queues/vanish", {"max_stalls": 1})
    uid = api.enqueue("vanish", max_attempts=10)["uid"]
    for _ in range(2):
        equal(api.claim_one("vanish", lease_ms=20)[0]["uid"], uid, "uid")
    job = api.wait(uid)
    equal((job["state"], job["outcome"]), ("failed", "stalled"), "state and outcome")


@story
def heartbeats_keep_the_lease(ruche):
    """Heartbeats in bulk renew leases; of a foreign one they say so."""
    api = ruche.api
    uid = api.enqueue("beat")["uid"]
    _, token = api.claim_one("beat", lease_ms=60000)
    other = api.enqueue("beat")["uid"]
    ends = [api.explain(uid)["until_at"]]
    for lease_ms in (600000, 1200000):
        answer = api.post("/v1/leases/heartbeat", {"token": token, "leases": [{"uid": uid, "lease_ms": lease_ms}, {"uid": other}]})
        check("problem" not in answer["results"][0], "its own lease")
        equal(answer["results"][1]["problem"]["code"], "stale_lease", "a job it does not hold")
        ends.append(api.explain(uid)["until_at"])
    check(ends[0] < ends[1] < ends[2], f"ends of the lease: {ends}")
    api.complete(uid, token)


@story
def cancelling_a_running_job(ruche):
    """The worker hears of it at its next heartbeat, as an event too; its failure then makes the job cancelled."""
    api = ruche.api
    events = api.events(queue="stop")
    uid = api.enqueue("stop", max_attempts=5)["uid"]
    _, token = api.claim_one("stop")
    api.post(f"/v1/jobs/{uid}/cancel", {"reason": "no longer needed"})
    equal(api.explain(uid)["code"], "cancelling", "explained")
    events.until("cancel_requested", uid)
    events.close()
    beat = api.post("/v1/leases/heartbeat", {"token": token, "leases": [{"uid": uid}]})
    equal(beat["results"][0]["cancel_requested"], True, "heard at the heartbeat")
    api.fail(uid, token, "stopped")
    equal(api.job(uid)["state"], "cancelled", "state")


@story
def cancelling_a_waiting_job(ruche):
    """A waiting job is cancelled at once."""
    api = ruche.api
    uid = api.enqueue("stop")["uid"]
    api.post(f"/v1/jobs/{uid}/cancel")
    equal((api.job(uid)["state"], api.job(uid)["outcome"]), ("cancelled", "by_hand"), "state and outcome")
    equal(api.claim("stop")["jobs"], [], "jobs")


@story
def release_and_snooze(ruche):
    """Handing a job back, now or later, costs no attempt."""
    api = ruche.api
    uid = api.enqueue("back", max_attempts=1)["uid"]
    _, token = api.claim_one("back")
    api.post(f"/v1/leases/{uid}/release", {"token": token})
    job, token = api.claim_one("back")
    equal((job["uid"], job["attempts_made"]), (uid, 0), "uid and attempts")
    api.post(f"/v1/leases/{uid}/snooze", {"token": token, "delay_ms": 3600000})
    equal((api.job(uid)["state"], api.job(uid)["attempts_made"]), ("delayed", 0), "state and attempts")
    api.post(f"/v1/jobs/{uid}/promote")
    job, token = api.claim_one("back")
    api.complete(uid, token)
    equal(api.job(uid)["state"], "completed", "state")


@story
def a_restart_is_invisible(ruche):
    """kill -9 while a worker works: its lease holds, its completion counts, its attempt is not consumed."""
    api = ruche.api
    uid = api.enqueue("through", max_attempts=1)["uid"]
    job, token = api.claim_one("through", lease_ms=30000)
    ruche.restart()
    api = ruche.api
    running = api.job(uid)
    equal((running["state"], running["stalls"]), ("active", 0), "state and stalls after the crash")
    api.post("/v1/leases/heartbeat", {"token": token, "leases": [{"uid": uid, "fence": job["fence"]}]})
    api.complete(uid, token, "done")
    equal(api.job(uid)["state"], "completed", "state")


@story
def a_stop_and_a_start(ruche):
    """SIGTERM ends it cleanly; everything is there afterwards, ids and counts too."""
    api = ruche.api
    uid = api.enqueue("kept", {"n": 1}, id="k1", delay_ms=3600000)["uid"]
    api.put("/v1/queues/kept", {"concurrency": 7})
    ruche.stop()
    ruche.start()
    api = ruche.api
    equal(api.get("/v1/queues/kept/jobs/k1")["uid"], uid, "found by its id")
    queue = api.get("/v1/queues/kept")
    equal((queue["settings"]["concurrency"], queue["states"]["delayed"]), (7, 1), "settings and counts")


if __name__ == "__main__":
    run()
