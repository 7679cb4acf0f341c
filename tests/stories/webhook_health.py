"""Third parties that die, refuse and recover, and what becomes of their deliveries."""

from harness import Daemon, Receiver, check, equal, run, story

QUICK = {"kind": "fixed", "delay_ms": 1, "max_attempts": 1000, "jitter": "none"}


class House:
    """A daemon, and third parties by name."""

    def __enter__(self):
        self.ruche = Daemon("--deliver-allow", "127.0.0.0/8")
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
        equal(len(dead.received), 3, "calls to it")
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


if __name__ == "__main__":
    run()
