"""The order of messages about one entity, as a third party sees it that is down, slow or fails while they arrive; and of jobs under a key of dedup."""

import json
import threading

from harness import House, check, equal, run, story

PATIENT = {"kind": "fixed", "delay_ms": 3600000, "max_attempts": 5, "jitter": "none"}


class Webhooks(House):
    """With an endpoint at the third party."""

    def __init__(self, *script, gate=None, **settings):
        super().__init__(*script, gate=gate)
        self.settings = {"url": self.third.url, "types": ["*"], "sign": {"kind": "none"}, "concurrency": 4, "retry": PATIENT, **settings}

    def __enter__(self):
        super().__enter__()
        self.api.put("/v1/endpoints/crm", self.settings)
        return self

    def send(self, entity, number):
        """The uid of its delivery."""
        api = self.ruche.api
        message = api.post("/v1/messages", {"type": "fiche.updated", "entity": entity, "payload": number}, status=201)
        [uid] = [job["uid"] for job in api.get("/v1/jobs?queue=webhooks&limit=500")["jobs"] if job["delivery"]["message"] == message["id"]]
        return uid

    def said(self, count):
        """What the third party was told, in order."""
        self.third.wait(count)
        return [json.loads(received.body)["data"] for received in self.third.received]

    def end(self, uid):
        job = self.ruche.api.wait(uid)
        return job["state"], job["outcome"]


@story
def only_the_newest_is_sent_to_who_was_down():
    """While the first call hangs, three newer messages arrive: when it fails at last, only the newest of them is sent, and at once."""
    gate = threading.Event()
    with Webhooks(503, 200, gate=gate, order="latest") as house:
        first = house.send("f1", 1)
        equal(house.said(1), [1], "the first call")
        second, third, newest = house.send("f1", 2), house.send("f1", 3), house.send("f1", 4)
        equal(house.ruche.api.job(newest)["state"], "parked", "the newest")
        check("newest delivery about its entity" in house.ruche.api.explain(newest)["text"], "explain does not say why it waits")
        gate.set()
        equal(house.end(newest), ("completed", "success"), "the newest")
        equal([house.end(uid) for uid in (first, second, third)], [("cancelled", "superseded")] * 3, "the others")
        equal(house.said(2), [1, 4], "what was sent")


@story
def what_is_held_is_replaced_by_what_is_newer():
    """A paused endpoint keeps one delivery an entity, the newest; messages about nothing are all kept."""
    with Webhooks(200, order="latest") as house:
        api = house.ruche.api
        api.post("/v1/endpoints/crm/pause")
        older = [house.send("f1", number) for number in (1, 2)]
        house.send("f2", 3)
        house.ruche.restart()
        api = house.ruche.api
        newest = house.send("f1", 4)
        nothing = [api.post("/v1/messages", {"type": "a", "payload": number}, status=201) for number in (5, 6)]
        equal(api.get("/v1/endpoints/crm")["held"], 2 + len(nothing), "held")
        equal([house.end(uid) for uid in older], [("cancelled", "superseded")] * 2, "the older ones")
        api.post("/v1/endpoints/crm/resume")
        equal(house.end(newest), ("completed", "success"), "the newest")
        equal(sorted(house.said(4)), [3, 4, 5, 6], "what was sent")


@story
def a_daemon_that_dies_under_a_call_sends_what_is_newer():
    """kill -9 while the call is under way and newer messages wait behind it: after the restart the newest is sent, the first is not sent again."""
    gate = threading.Event()
    with Webhooks(200, gate=gate, order="latest") as house:
        first = house.send("f1", 1)
        house.said(1)
        house.send("f1", 2)
        newest = house.send("f1", 3)
        house.ruche.kill()
        gate.set()
        house.ruche.start()
        equal(house.end(newest), ("completed", "success"), "the newest")
        equal(house.end(first), ("cancelled", "superseded"), "the first")
        equal(house.said(2), [1, 3], "what was sent")


@story
def one_that_waits_for_its_next_attempt_is_replaced():
    """A delivery failed and is due in an hour: a newer one about the entity takes its place and goes at once."""
    with Webhooks(503, 200, order="latest") as house:
        first = house.send("f1", 1)
        house.said(1)
        while house.ruche.api.job(first)["state"] != "delayed":
            pass
        newest = house.send("f1", 2)
        equal(house.end(newest), ("completed", "success"), "the newest")
        equal(house.end(first), ("cancelled", "superseded"), "the first")
        equal(house.said(2), [1, 2], "what was sent")


@story
def each_is_sent_in_its_turn_over_failures_and_a_crash():
    """Five messages about one entity, calls that fail in between, kill -9 under one of them: each is sent in its order, another entity meanwhile."""
    retry = {"kind": "fixed", "delay_ms": 50, "max_attempts": 2, "jitter": "none"}
    gate = threading.Event()
    with Webhooks(200, 200, 503, 200, 503, 503, 200, gate=gate, order="fifo", retry=retry) as house:
        first = house.send("f1", 1)
        house.said(1)
        rest = [house.send("f1", number) for number in (2, 3, 4, 5)]
        equal([house.ruche.api.job(uid)["state"] for uid in rest], ["waiting_children"] * 4, "those behind it")
        check(f"comes after {first}" in house.ruche.api.explain(rest[0])["text"], "explain does not say after which")
        house.ruche.kill()  # the call of 1 is under way: it is made again
        gate.set()
        house.ruche.start()
        equal([house.end(uid)[0] for uid in (first, *rest)], ["completed", "completed", "failed", "completed", "completed"], "how they ended")
        equal(house.said(8), [1, 1, 2, 2, 3, 3, 4, 5], "what was sent")


@story
def a_failure_holds_those_behind_it():
    """With `hold` nothing about the entity is sent after a failure, also what comes later, until the failed one is retried or the endpoint says go on."""
    retry = {"kind": "fixed", "delay_ms": 50, "max_attempts": 1, "jitter": "none"}
    with Webhooks(503, 200, 200, 503, 200, order="fifo", fifo_on_failure="hold", retry=retry) as house:
        api = house.ruche.api
        first = house.send("f1", 1)
        equal(house.end(first), ("failed", "attempts_spent"), "the first")
        behind = house.send("f1", 2)
        other = house.send("f2", 3)
        equal(house.end(other)[0], "completed", "another entity")
        check("failed and holds it" in api.explain(behind)["text"], "explain does not say why it waits")
        house.ruche.restart()
        api = house.ruche.api
        equal(api.job(behind)["state"], "waiting_children", "the one behind")
        api.post(f"/v1/jobs/{first}/retry", {})
        equal(house.end(behind), ("failed", "attempts_spent"), "the one behind, which fails too")
        last = house.send("f1", 4)
        equal(api.job(last)["state"], "waiting_children", "the last")
        api.patch("/v1/endpoints/crm", {"fifo_on_failure": "go_on"})
        equal(house.end(last)[0], "completed", "the last")
        equal(house.said(5), [1, 3, 1, 2, 4], "what was sent")


@story
def jobs_go_one_after_the_other_too(ruche):
    """`fifo` of dedup: from the command line, closed behind those who leave, and refused with what contradicts it."""
    api = ruche.api
    line = [api.enqueue("export", number, dedup={"key": "sheet-1", "fifo": True})["uid"] for number in range(3)]
    line.append(json.loads(ruche.cli("enqueue", "export", "3", "--dedup", "sheet-1", "--fifo", "--json"))["uid"])
    job, token = api.claim_one("export")
    equal((job["payload"], api.claim("export")["jobs"]), (0, []), "what was claimed")
    api.post(f"/v1/jobs/{line[1]}/cancel", {})
    equal(api.claim("export")["jobs"], [], "who has left opens nothing")
    equal(api.get(f"/v1/jobs/{line[2]}/children")["children"][0]["on_failure"], "follow", "the one before it")
    api.complete(job["uid"], token)
    for number in (2, 3):
        job, token = api.claim_one("export")
        equal((job["payload"], api.claim("export")["jobs"]), (number, []), "what was claimed")
        api.complete(job["uid"], token)
    for dedup, field in [({"ttl_ms": 5}, "dedup.ttl_ms"), ({"latest": True}, "dedup.fifo"), ({"reschedule": True}, "dedup.fifo")]:
        api.refused("POST", "/v1/jobs", {"queue": "export", "dedup": {"key": "a", "fifo": True, **dedup}}, status=422, code="invalid_field", field=field)


@story
def jobs_supersede_each_other_too(ruche):
    """`latest` of dedup: from the command line, told by an event, and refused with what contradicts it."""
    api = ruche.api
    events = api.events(queue="export")
    first = api.enqueue("export", 1, dedup={"key": "sheet-1", "latest": True})
    second = json.loads(ruche.cli("enqueue", "export", "2", "--dedup", "sheet-1", "--latest", "--json"))
    equal(events.until("superseded", first["uid"])["json"]["by"], second["uid"], "by")
    events.close()
    equal((api.job(first["uid"])["state"], api.job(first["uid"])["outcome"]), ("cancelled", "superseded"), "the first")
    check("newer one" in api.explain(first["uid"])["text"], "explain does not say why it has ended")
    job, token = api.claim_one("export")
    equal(job["payload"], 2, "what was claimed")
    third = api.enqueue("export", 3, dedup={"key": "sheet-1", "latest": True})
    equal(third["state"], "parked", "the third")
    api.fail(job["uid"], token)
    equal(api.job(job["uid"])["outcome"], "superseded", "the second, which would be tried again")
    equal(api.claim_one("export")[0]["payload"], 3, "what was claimed then")
    for dedup, field in [({"ttl_ms": 5}, "dedup.ttl_ms"), ({"replace": True}, "dedup.latest"), ({"keep_last": True}, "dedup.latest")]:
        api.refused("POST", "/v1/jobs", {"queue": "export", "dedup": {"key": "a", "latest": True, **dedup}}, status=422, code="invalid_field", field=field)
    api.refused("POST", "/v1/jobs", {"queue": "export", "waits": True, "dedup": {"key": "a", "latest": True}}, status=422, field="dedup")
    ruche.cli("enqueue", "export", "2", "--latest", status=64)


if __name__ == "__main__":
    run()
