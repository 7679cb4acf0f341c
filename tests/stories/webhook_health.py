"""Third parties that die, refuse and recover, and what becomes of their deliveries."""

import json

from harness import Daemon, Receiver, check, equal, run, story

QUICK = {"kind": "fixed", "delay_ms": 1, "max_attempts": 1000, "jitter": "none"}


class House:
    """A daemon, and third parties by name."""

    def __init__(self, *arguments):
        self.arguments = arguments

    def __enter__(self):
        self.ruche = Daemon("--deliver-allow", "127.0.0.0/8", *self.arguments)
        self.ruche.__enter__()
        self.api = self.ruche.api
        self.thirds = []
        return self

    def __exit__(self, *problem):
        for third in self.thirds:
            third.close()
        self.ruche.__exit__(*problem)

    def third(self, name, *script, gate=None, **settings):
        third = Receiver(*script, gate=gate)
        self.thirds.append(third)
        self.api.put(f"/v1/endpoints/{name}", {"url": third.url, "types": ["*"], "retry": QUICK, "sign": {"kind": "none"}, "format": "raw", **settings})
        return third

    def send(self, count=1, **message):
        results = self.api.post("/v1/messages", {"messages": [{"type": "fiche.made", "payload": n, **message} for n in range(count)]})["results"]
        return [one["id"] for one in results]

    def look(self, name):
        return self.api.get(f"/v1/endpoints/{name}")

    def jobs(self, name):
        """Its deliveries, the oldest first."""
        return self.api.get(f"/v1/jobs?queue=webhooks&group={name}&order=oldest&limit=500")["jobs"]


@story
def a_dead_one_among_healthy_ones():
    """It is tried by two calls, then by one, then not at all for a while; the others get everything; and whoever asks is told why."""
    with House() as house:
        well = house.third("well", 200)
        dead = house.third("dead", "hang", timeout_ms=300, breaker={"failures": 3, "open_ms": 3600000, "open_ms_max": 3600000})
        events = house.api.events(queue="webhooks", after="0.0")
        house.send(20)
        well.wait(20)
        told = events.until("endpoint_failing")["json"]
        equal((told["endpoint"], told["failures"]), ("dead", 3), "the event")
        endpoint = house.look("dead")
        equal((endpoint["health"]["state"], endpoint["health"]["failures"], endpoint["active"]), ("open", 3, 0), "the dead one")
        check(endpoint["health"]["open_until_at"] > endpoint["health"]["failing_since_at"], endpoint["health"])
        check(endpoint["health"]["disable_at"] > endpoint["health"]["open_until_at"], endpoint["health"])
        check(len(dead.received) <= 3, f"{len(dead.received)} calls to it")  # where the machine is slow one may run out of time on its way
        waiting = [job for job in house.jobs("dead") if job["state"] == "waiting"][-1]
        why = house.api.explain(waiting["uid"])
        equal((why["code"], why["until_at"]), ("breaker_open", endpoint["health"]["open_until_at"]), "why it waits")
        for job in house.jobs("well"):
            equal(house.api.wait(job["uid"])["state"], "completed", "a healthy one's delivery")
        equal(house.look("well")["health"]["state"], "ok", "the healthy one")
        equal(sum(job["attempts_made"] for job in house.jobs("dead")), 3, "attempts used up")
        shown = house.ruche.cli("endpoints", "show", "dead").decode()
        check("health.state" in shown and "open" in shown, shown)
        check(b"open" in house.ruche.cli("endpoints", "list"), "the list says nothing of it")


@story
def those_who_never_answer_leave_room():
    """Four of them would take all eight calls: they get four, and whoever has answered goes on."""
    with House("--deliver-in-flight", "8") as house:
        well = house.third("well", 200, types=["*", "dead"])
        house.send()
        equal(house.api.wait(house.jobs("well")[0]["uid"])["state"], "completed", "the first one")
        for name in ("a", "b", "c", "d"):
            house.third(name, "hang", types=["dead"], timeout_ms=600000)
        house.send(3, type="dead")
        well.wait(4)
        for job in house.jobs("well"):
            equal(house.api.wait(job["uid"])["state"], "completed", "a delivery to the one that answers")
        jobs = [job for name in ("a", "b", "c", "d") for job in house.jobs(name)]
        equal(sum(job["state"] == "active" for job in jobs), 4, "calls to those that do not")
        codes = [house.api.explain(job["uid"])["code"] for job in jobs if job["state"] == "waiting"]
        equal((len(codes), set(codes) - {"group_concurrency"}), (8, {"delivery_share"}), "why the others wait")


@story
def the_breaker_opens_probes_and_closes():
    """One call when the pause is over; while that fails the pause grows; a success closes it and everything goes its way."""
    with House() as house:
        third = house.third("crm", *[500] * 5, 200, breaker={"failures": 3, "open_ms": 20, "open_ms_max": 40})
        events = house.api.events(queue="webhooks", after="0.0")
        house.send(10)
        events.until("endpoint_recovered")
        for job in house.jobs("crm"):
            equal(house.api.wait(job["uid"])["state"], "completed", "a delivery")
        equal(len(third.received), 15, "calls")
        pauses = [event for event in house.api.get("/v1/events?queue=webhooks&after=0.0&types=backed_off&limit=10")["events"]]
        equal([event["scope"] for event in pauses], ["group"] * 3, "pauses")
        health = house.look("crm")["health"]
        equal((health["state"], health["failures"], health["failing_since_at"], health["open_until_at"]), ("ok", 0, None, None), "health")


@story
def fixed_settings_are_tried_at_once():
    """A new URL ends the pause of an open breaker, without waiting."""
    with House() as house:
        house.third("crm", 500, breaker={"failures": 1, "open_ms": 3600000, "open_ms_max": 3600000})
        events = house.api.events(queue="webhooks", after="0.0")
        house.send(3)
        events.until("endpoint_failing")
        good = Receiver(200)
        house.thirds.append(good)
        house.api.patch("/v1/endpoints/crm", {"url": good.url})
        for job in house.jobs("crm"):
            equal(house.api.wait(job["uid"])["state"], "completed", "a delivery")


@story
def gone_is_disabled_and_what_it_missed_is_held():
    """410: the delivery that met it goes back, uses up no attempt, and is sent when somebody enables the endpoint."""
    with House() as house:
        third = house.third("crm", 410, 200)
        events = house.api.events(queue="webhooks", after="0.0")
        house.send()
        equal(events.until("endpoint_disabled")["json"]["reason"], "gone", "the event")
        [job] = house.jobs("crm")
        equal((job["state"], job["attempts_made"]), ("waiting", 0), "the delivery")
        endpoint = house.look("crm")
        equal((endpoint["state"], endpoint["reason"], endpoint["held"], endpoint["health"]["disable_at"]), ("disabled", "gone", 1, None), "the endpoint")
        equal(house.api.explain(job["uid"])["code"], "endpoint_disabled", "why it waits")
        check(b"disabled (gone)" in house.ruche.cli("endpoints", "list"), "the list says nothing of it")
        while 'ruche_endpoints{state="disabled"} 1' not in house.api.call("GET", "/metrics").body.decode():
            pass
        house.send()
        equal((house.look("crm")["held"], len(third.received)), (2, 1), "held, and calls")
        house.ruche.restart()
        house.api = house.ruche.api
        equal(house.look("crm")["held"], 2, "held after a restart")
        house.ruche.cli("endpoints", "enable", "crm")
        for one in house.jobs("crm"):
            equal(house.api.wait(one["uid"])["state"], "completed", "a delivery")
        equal([received.headers["webhook-id"] for received in third.received].count(job["delivery"]["message"]), 2, "the same id again")
        attempts = house.api.get(f"/v1/jobs/{job['uid']}/attempts")["attempts"]
        equal([attempt["exchange"]["status"] for attempt in attempts], [410, 200], "its attempts")
        house.api.events(queue="webhooks", after="0.0").until("endpoint_recovered")  # whoever heard of the end hears of this, too


@story
def a_policy_may_know_better_than_410():
    """Who lists 410 among the statuses to retry has it retried."""
    with House() as house:
        house.third("crm", 410, 200, policy={"retry": ["410"]})
        house.send()
        [job] = house.jobs("crm")
        job = house.api.wait(job["uid"])
        equal((job["state"], job["attempts_made"], house.look("crm")["state"]), ("completed", 2, "enabled"), "the delivery")


@story
def whoever_fails_for_too_long_is_disabled_and_somebody_is_told():
    """endpoint.failing, endpoint.disabled, endpoint.recovered and delivery.exhausted arrive at the endpoint that names them, and say what is needed."""
    with House() as house:
        ops = house.third("ops", 200, types=["endpoint.*", "delivery.exhausted"], concurrency=1)
        third = house.third("crm", 503, breaker={"failures": 10, "open_ms": 1, "open_ms_max": 1}, disable_after_ms=3600000)
        events = house.api.events(queue="webhooks", after="0.0")
        house.send(2, entity="f1")
        events.until("endpoint_failing")
        house.api.patch("/v1/endpoints/crm", {"disable_after_ms": 1})  # it has failed for longer than that
        events.until("endpoint_disabled")
        endpoint = house.look("crm")
        equal((endpoint["state"], endpoint["reason"]), ("disabled", "failing"), "the endpoint")
        told = [(received.headers["webhook-id"], json.loads(received.body)) for received in [ops.wait(1), ops.wait(2)]]
        first = told[0][1]
        equal((first["endpoint"], first["namespace"], first["url"], first["state"]), ("crm", "default", f"http://127.0.0.1:{third.port}", "enabled"), "failing")
        check(first["failures"] >= 10 and first["failing_since_at"] < first["disable_at"], first)
        equal((first["error"]["class"], first["error"]["status"]), ("status_5xx", 503), "its last error")
        while told[-1][1]["state"] != "disabled":
            received = ops.wait(len(told) + 1)
            told.append((received.headers["webhook-id"], json.loads(received.body)))
        last = told[-1][1]
        equal((last["reason"], last["disable_at"]), ("failing", None), "disabled")
        kept = [house.api.get(f"/v1/messages/{uid}") for uid, _ in told]
        equal([one["type"] for one in kept], ["endpoint.failing"] * (len(kept) - 1) + ["endpoint.disabled"], "types")
        equal({one["entity"] for one in kept}, {"crm"}, "about")
        third.script = [503] * (len(third.received) + 10) + [400, 200]
        house.api.patch("/v1/endpoints/crm", {"disable_after_ms": 0})
        house.api.post("/v1/endpoints/crm/enable")
        events.until("endpoint_recovered")
        bodies = [json.loads(ops.wait(len(told) + n).body) for n in (1, 2, 3)]
        exhausted = [body for body in bodies if "delivery" in body]
        equal(len(exhausted), 1, f"exhausted, of {bodies}")
        job = house.api.get(f"/v1/jobs/{exhausted[0]['delivery']}")
        equal((job["state"], exhausted[0]["message"], exhausted[0]["type"], exhausted[0]["entity"], exhausted[0]["attempts_made"]),
              ("failed", job["delivery"]["message"], "fiche.made", "f1", job["attempts_made"]), "exhausted")
        equal(exhausted[0]["error"]["status"], 400, "its last error")
        recovered = [body for body in bodies if "delivery" not in body]
        check(recovered[-1]["attempts_failed"] >= 11 and recovered[-1]["failing_since_at"], recovered)
        house.api.refused("POST", "/v1/messages", {"type": "endpoint.failing"}, field="type")


@story
def who_asks_to_wait_is_not_failing():
    """429 with Retry-After: a pause of the endpoint, no attempt, no failure; it is told as what it is."""
    with House() as house:
        third = house.third("crm", (429, {"Retry-After": "1"}, b""), 200, breaker={"failures": 1, "open_ms": 3600000, "open_ms_max": 3600000}, concurrency=1)
        house.send(2)
        third.wait(1)
        events = house.api.events(queue="webhooks", after="0.0")
        events.until("backed_off")
        health = house.look("crm")["health"]
        equal((health["state"], health["failures"], health["open_until_at"]), ("ok", 0, None), "health")
        codes = {house.api.explain(job["uid"])["code"] for job in house.jobs("crm")}
        check("breaker_open" not in codes, codes)
        for job in house.jobs("crm"):
            job = house.api.wait(job["uid"])
            equal((job["state"], job["attempts_made"]), ("completed", 1), "a delivery")


if __name__ == "__main__":
    run()
