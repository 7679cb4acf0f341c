"""Limits that queues and groups share, permits for those outside, and third parties that ask to be left alone."""

from harness import Daemon, Receiver, check, equal, run, story

ALLOW = ("--deliver-allow", "127.0.0.0/8")
QUICK = {"kind": "fixed", "delay_ms": 5, "max_attempts": 5, "jitter": "none"}


def apart(third, first, last, seconds):
    """How long after request `first` had come request `last` came: never sooner than that."""
    gap = third.received[last - 1].at_s - third.received[first - 1].at_s
    check(gap >= seconds, f"request {last} came {gap:.3f} s after request {first}, which asked for {seconds} s")


@story
def two_queues_share_a_concurrency(ruche):
    """Three may run, whoever they are; explain says which limit is taken; an end lets the other queue in."""
    api = ruche.api
    api.put("/v1/limits/airtable", {"concurrency": 3})
    for queue in ("sheets", "notes"):
        api.put(f"/v1/queues/{queue}", {"limits": ["airtable"]})
        for _ in range(3):
            last = api.enqueue(queue)["uid"]
    mine = api.claim("sheets", max=2)
    other = api.claim("notes", max=5)
    equal((len(mine["jobs"]), len(other["jobs"])), (2, 1), "claimed")
    nothing = api.claim("notes")
    equal(nothing["reason"], "limit_concurrency", "reason")
    why = api.explain(last)
    equal((why["code"], why["limit_name"], why["active"], why["limit"]), ("limit_concurrency", "airtable", 3, 3), "why it waits")
    limit = api.get("/v1/limits/airtable")
    equal((limit["active"], limit["held"], limit["code"]), (3, 0, "limit_concurrency"), "the limit")
    api.complete(mine["jobs"][0]["uid"], mine["token"])
    equal(len(api.claim("notes", max=5)["jobs"]), 1, "claimed after one ended")


@story
def permits(ruche):
    """Units without a job: taken, kept by the same token, given back; they survive the daemon."""
    api = ruche.api
    api.put("/v1/limits/crm", {"concurrency": 2})
    asked = {"token": "mine", "units": 2}
    equal(api.post("/v1/limits/crm/acquire", asked), {"granted": True, "retry_in_ms": None}, "granted")
    equal(api.post("/v1/limits/crm/acquire", asked)["granted"], True, "again")
    equal(api.post("/v1/limits/crm/acquire", {"token": "yours"})["granted"], False, "another")
    ruche.kill()
    ruche.restart()
    api = ruche.api
    equal(api.post("/v1/limits/crm/acquire", {"token": "yours"})["granted"], False, "after a crash")
    equal(api.post("/v1/limits/crm/release", {"token": "mine"}), {"released": 2}, "given back")
    equal(api.post("/v1/limits/crm/release", {"token": "mine"}), {"released": 0}, "twice")
    equal(api.post("/v1/limits/crm/acquire", {"token": "yours"})["granted"], True, "now")
    api.refused("POST", "/v1/limits/crm/acquire", {"token": "big", "units": 3}, code="invalid_field", field="units")
    api.refused("POST", "/v1/limits/none/acquire", {"token": "x"}, status=404, code="limit_not_found")


@story
def a_name_is_kept_while_it_is_used(ruche):
    """Settings name only limits that exist; a limit that is named stays."""
    api = ruche.api
    api.refused("PUT", "/v1/queues/q", {"limits": ["airtabel"]}, code="invalid_field", field="limits")
    api.put("/v1/limits/airtable", {"rate": {"max": 5, "per_ms": 1000}})
    api.put("/v1/queues/q", {"limits": ["airtable"], "retry_after": "airtable"})
    api.put("/v1/queues/q/groups/g", {"limits": []})
    equal(api.get("/v1/queues/q/groups/g")["settings"], {"limits": []}, "the group's own")
    api.refused("DELETE", "/v1/limits/airtable", status=409, code="conflict")
    api.patch("/v1/queues/q", {"limits": [], "retry_after": "job"})
    api.delete("/v1/limits/airtable")
    api.refused("GET", "/v1/limits/airtable", status=404, code="limit_not_found")
    api.refused("PUT", "/v1/limits/queue", {}, code="invalid_field", field="limit")


@story
def a_third_party_that_asks_to_wait_is_left_alone():
    """429 with Retry-After, for the group: not one request to it before that is over; another third party is not held back."""
    with Daemon(*ALLOW) as ruche, Receiver((429, {"Retry-After": "2"}, b""), 200) as rude, Receiver(200) as kind:
        api = ruche.api
        api.put("/v1/queues/hooks", {"target": "http", "retry": QUICK, "group_concurrency": 1, "retry_after": "group"})
        rudely = [api.enqueue("hooks", n, http={"url": rude.url})["uid"] for n in range(4)]
        rude.wait(1)
        for n in range(4):
            equal(api.wait(api.enqueue("hooks", n, http={"url": kind.url})["uid"])["state"], "completed", "the other third party's")
        for uid in rudely:
            equal(api.wait(uid)["state"], "completed", "state in the end")
        equal(len(rude.received), 5, "requests")
        apart(rude, 1, 2, 2)
        events = api.get("/v1/events?queue=hooks&after=0.0&types=backed_off&limit=10")["events"]
        equal([event["scope"] for event in events], ["group"], "events")


@story
def a_penalty_outlives_the_daemon():
    """The limit is shared by two queues; the daemon is killed inside the pause; nothing goes out before its end, be that far or near."""
    busy = [(429, {"Retry-After": seconds}, b"") for seconds in ("3000", "3")]
    with Daemon(*ALLOW) as ruche, Receiver(*busy, 200) as third:
        api = ruche.api
        api.put("/v1/limits/third", {"concurrency": 1, "penalty_ms_max": 3600000})
        for queue in ("one", "two"):
            api.put(f"/v1/queues/{queue}", {"target": "http", "http": {"url": third.url}, "retry": QUICK, "limits": ["third"], "retry_after": "third"})
        events = api.events(queue="one", after="0.0")
        first = api.enqueue("one")["uid"]
        events.until("backed_off")
        second = api.enqueue("two")["uid"]
        why = api.explain(second)
        equal(why["code"], "backed_off", "why it waits")
        ruche.restart()
        api = ruche.api
        equal((api.explain(second)["code"], api.explain(second)["until_at"]), ("backed_off", why["until_at"]), "why it waits after a crash, and until when")
        equal(len(third.received), 1, "requests until then")
        events = api.events(queue="two")  # from now on: the first pause was told there too
        api.post("/v1/limits/third/back_off", {"delay_ms": 0})
        while not events.until("backed_off")["json"]["until_at"]:  # its end is told first, then what the second answer asked for
            pass
        ruche.restart()
        api = ruche.api
        api.post(f"/v1/jobs/{first}/promote")
        equal({api.wait(uid)["state"] for uid in (first, second)}, {"completed"}, "states in the end")
        apart(third, 2, 3, 3)


@story
def a_worker_says_whom_to_hold_back(ruche):
    """fail with back_off: the group, the queue, or a limit; unknown names change nothing."""
    api = ruche.api
    api.put("/v1/limits/crm", {"penalty_ms_max": 3600000})
    api.put("/v1/queues/q", {"limits": ["crm"], "retry": QUICK})
    for group in ("a", "a", "b", "c"):
        api.enqueue("q", group=group)
    job, token = api.claim_one("q")
    api.refused("POST", f"/v1/leases/{job['uid']}/fail", {"token": token, "back_off": {"scope": "crn", "delay_ms": 5}}, code="invalid_field",
                field="back_off.scope")
    equal(api.job(job["uid"])["state"], "active", "state")
    api.post(f"/v1/leases/{job['uid']}/fail", {"token": token, "back_off": {"scope": "group", "delay_ms": 3600000}})
    claimed = api.claim("q", max=5)
    equal(sorted(job["group"] for job in claimed["jobs"]), ["b", "c"], "who still starts")
    api.post(f"/v1/leases/{claimed['jobs'][0]['uid']}/release", {"token": claimed["token"], "back_off": {"scope": "crm", "delay_ms": 86400000}})
    equal(api.claim("q")["reason"], "backed_off", "reason")
    api.post("/v1/limits/crm/back_off", {"delay_ms": 0})
    equal(len(api.claim("q", max=5)["jobs"]), 1, "claimed after it was opened")
    api.post("/v1/queues/q/groups/a/back_off", {"delay_ms": 0})
    equal(len(api.claim("q", max=5)["jobs"]), 2, "claimed after the group was opened")
    api.enqueue("q")
    api.post("/v1/queues/q/back_off", {"delay_ms": 3600000})
    equal(api.claim("q")["reason"], "backed_off", "reason of the queue")


if __name__ == "__main__":
    run()
