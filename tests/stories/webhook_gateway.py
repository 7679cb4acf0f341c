"""An overloaded gateway (502, 504) before a third party: calls wait for a while, once for all that it answered at once, and longer when it goes on."""

import threading
from datetime import datetime, timedelta

from harness import DEADLINE_S, House, check, equal, run, story

QUICK = {"kind": "fixed", "delay_ms": 1, "max_attempts": 1000, "jitter": "none"}
LONG_MS = 3600000


def put(house, name, url=None, **settings):
    settings = {"types": ["*"], "retry": QUICK, "sign": {"kind": "none"}, "format": "raw", "breaker": {"failures": 0}, "slow_down_ms": LONG_MS, **settings}
    return house.api.put(f"/v1/endpoints/{name}", {"url": url or house.third.url, **settings})


def send(house, count=1, **message):
    house.api.post("/v1/messages", {"messages": [{"type": "fiche.made", "payload": n, **message} for n in range(count)]})


def look(house, name):
    return house.api.get(f"/v1/endpoints/{name}")


def jobs(house, name):
    return house.api.get(f"/v1/jobs?queue=webhooks&group={name}&order=oldest&limit=500")["jobs"]


def settled(house, name):
    """The endpoint, once no call to it is under way."""
    while (endpoint := look(house, name))["active"]:
        pass
    return endpoint


def pauses(house):
    return house.api.get("/v1/events?queue=webhooks&after=0.0&types=backed_off&limit=100")["events"]


@story
def calls_answered_at_once_are_one_reason_to_wait():
    """Each costs its attempt; the others wait, are told why and until when; whoever knows better lets them go, and everything arrives."""
    gate = threading.Event()
    gate.set()
    with House(200, 200, 200, 502, 504, 502, 502, 200, gate=gate) as house:
        put(house, "crm", concurrency=4)
        send(house, 3)
        for job in jobs(house, "crm"):
            equal(house.api.wait(job["uid"])["state"], "completed", "before")
        gate.clear()
        send(house, 10)
        house.third.wait(7)
        equal(look(house, "crm")["active"], 4, "calls at once")
        gate.set()
        endpoint = settled(house, "crm")
        health = endpoint["health"]
        equal((health["state"], health["failures"], health["open_until_at"]), ("failing", 4, None), "health")
        [pause] = pauses(house)
        equal((pause["scope"], pause["group"], pause["until_at"]), ("group", "crm", health["slow_until_at"]), "one pause, whatever came at once")
        waiting = [job for job in jobs(house, "crm") if job["state"] == "waiting"]
        why = house.api.explain(waiting[-1]["uid"])
        equal((why["code"], why["until_at"]), ("slowed_down", health["slow_until_at"]), "why it waits")
        check("502" in why["text"], why["text"])
        shown = house.ruche.cli("endpoints", "show", "crm").decode()
        check("health.slow_until_at" in shown, shown)
        equal((sum(job["attempts_made"] for job in jobs(house, "crm")), len(house.third.received)), (3 + 4, 7), "attempts, calls")
        house.api.post("/v1/queues/webhooks/groups/crm/back_off", {"delay_ms": 0}, status=200)
        for job in jobs(house, "crm"):
            equal(house.api.wait(job["uid"])["state"], "completed", "a delivery")
        equal(look(house, "crm")["health"]["slow_until_at"], None, "health at the end")


@story
def it_grows_and_begins_anew_after_a_success():
    """Twice as long each time, up to the breaker's first pause."""
    with House(502, 504, 502, 200, 502, 200) as house:
        put(house, "crm", slow_down_ms=20, breaker={"failures": 0, "open_ms": 50}, concurrency=1)
        for _ in range(2):
            send(house)
            equal(house.api.wait(jobs(house, "crm")[-1]["uid"])["state"], "completed", "a delivery")
        asked = [(datetime.fromisoformat(one["until_at"]) - datetime.fromisoformat(one["at"])) // timedelta(milliseconds=1) for one in pauses(house)]
        equal(asked, [20, 40, 50, 20], "pauses in ms")


@story
def retry_after_says_how_long():
    """Also where nothing would be done otherwise; the delivery that met it waits as long, and has used up an attempt."""
    with House((504, {"Retry-After": "3600"}, b"")) as house:
        put(house, "crm", slow_down_ms=0)
        send(house, 2)
        house.third.wait(1)
        health = settled(house, "crm")["health"]
        check(health["slow_until_at"], health)
        failed = [job for job in jobs(house, "crm") if job["attempts_made"]]
        equal({job["state"] for job in failed}, {"delayed"}, "those that met it")
        house.api.put("/v1/queues/plain", {"target": "http", "http": {"url": house.third.url}, "retry_after": "queue", "retry": QUICK})
        first = house.api.enqueue("plain", 1)
        house.third.wait(len(failed) + 1)
        while not (pause := house.api.get("/v1/events?queue=plain&after=0.0&types=backed_off&limit=10")["events"]):
            pass
        equal(pause[0]["scope"], "queue", "a queue that calls by itself heeds it, too")
        equal(house.api.explain(house.api.enqueue("plain", 2)["uid"])["code"], "backed_off", "why the next one waits")
        equal(house.api.job(first["uid"])["attempts_made"], 1, "an attempt of the job")


@story
def a_bare_one_slows_down_no_plain_queue():
    """Nothing is known of whom it calls, and nobody asked."""
    with House(502, 200) as house:
        house.api.put("/v1/queues/plain", {"target": "http", "http": {"url": house.third.url}, "retry_after": "queue", "retry": QUICK})
        equal(house.api.wait(house.api.enqueue("plain", 1)["uid"])["state"], "completed", "the job")
        equal(house.api.get("/v1/events?queue=plain&after=0.0&types=backed_off&limit=10")["events"], [], "pauses")


@story
def nobody_takes_back_what_others_asked_for():
    """A shared limit waits for the gateway of one, though the other one succeeds; a 429's wait outlives the breaker that a success closes."""
    gate = threading.Event()
    gate.set()
    with House(200, 200, 502, 200, gate=gate) as house:
        house.api.put("/v1/limits/shared", {"concurrency": 10})
        for name, kind in (("crm", "a"), ("ops", "b")):
            put(house, name, types=[kind], limits=["shared"], retry_after="shared")
            send(house, 1, type=kind)
            equal(house.api.wait(jobs(house, name)[-1]["uid"])["state"], "completed", "before")
        gate.clear()
        send(house, 1, type="a")
        house.third.wait(3)
        send(house, 1, type="b")
        house.third.wait(4)
        gate.set()
        settled(house, "crm"), settled(house, "ops")
        equal([job["state"] for job in jobs(house, "ops")], ["completed", "completed"], "the other one succeeds")
        check(look(house, "crm")["health"]["slow_until_at"], "health")
        send(house, 1, type="b")
        why = house.api.explain(jobs(house, "ops")[-1]["uid"])
        equal((why["code"], why["limit_name"]), ("backed_off", "shared"), "why the next one waits")


@story
def a_429_outlives_the_breaker():
    """Three calls are under way: one is asked to wait, the next one's failure opens the breaker, the last one's success closes it. What was asked for stays."""
    failed, succeeded = threading.Event(), threading.Event()

    def after(event, status):
        return lambda client, received: event.wait(DEADLINE_S) and house.third.answer(client, received, status)

    with House(200, 200, (429, {"Retry-After": "3600"}, b""), after(failed, 500), after(succeeded, 200), 200) as house:
        put(house, "crm", breaker={"failures": 1, "open_ms": 1000000, "open_ms_max": LONG_MS}, concurrency=3)
        send(house, 2)
        for job in jobs(house, "crm"):
            equal(house.api.wait(job["uid"])["state"], "completed", "before")
        send(house, 4)
        house.third.wait(5)
        while not pauses(house):
            pass
        failed.set()
        while look(house, "crm")["health"]["state"] != "open":
            pass
        succeeded.set()
        equal(settled(house, "crm")["health"]["state"], "ok", "health")
        equal(len(house.third.received), 5, "calls")
        waiting = [job for job in jobs(house, "crm") if job["state"] == "waiting"]
        why = house.api.explain(waiting[-1]["uid"])
        equal((why["code"], why["until_at"]), ("backed_off", pauses(house)[0]["until_at"]), "why they wait")


if __name__ == "__main__":
    run()
