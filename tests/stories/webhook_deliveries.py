"""Webhooks, as third parties see them: repeated with the same id, addressed by their own id, retracted."""

import json

from harness import Daemon, Receiver, equal, run, story

QUICK = {"kind": "fixed", "delay_ms": 5, "max_attempts": 5, "jitter": "none"}


class House:
    """A daemon, and a third party that answers by script."""

    def __init__(self, *script):
        self.third = Receiver(*script)
        self.ruche = Daemon("--deliver-allow", "127.0.0.0/8")

    def __enter__(self):
        self.ruche.__enter__()
        self.api = self.ruche.api
        return self

    def __exit__(self, *problem):
        self.third.close()
        self.ruche.__exit__(*problem)

    def at(self, path):
        return f"http://127.0.0.1:{self.third.port}{path}"

    def endpoint(self, name, **settings):
        self.api.put(f"/v1/endpoints/{name}", {"url": self.at("/hook"), "types": ["*"], "retry": QUICK, "sign": {"kind": "none"}, **settings})

    def send(self, **message):
        return self.api.post("/v1/messages", {"type": "fiche.updated", "payload": {"a": 1}, **message}, status=201)

    def delivery(self, message):
        """The one job of a message, once it has ended."""
        jobs = self.api.get("/v1/jobs?queue=webhooks&limit=500")["jobs"]
        [uid] = [job["uid"] for job in jobs if job["delivery"]["message"] == message["id"]]
        return self.api.wait(uid)


@story
def the_same_message_in_spite_of_a_failure():
    """503, then 200: the same webhook-id and body twice, the second attempt says that it is one."""
    with House(503, 200) as house:
        house.endpoint("crm")
        message = house.send(entity="f1")
        job = house.delivery(message)
        equal((job["state"], job["attempts_made"]), ("completed", 2), "the delivery")
        for n, received in enumerate(house.third.received):
            equal((received.headers["webhook-id"], received.headers["ruche-attempt"]), (message["id"], str(n + 1)), "the headers")
            body = json.loads(received.body)
            equal((body["type"], body["data"]), ("fiche.updated", {"a": 1}), "the body")
        attempts = house.api.get(f"/v1/jobs/{job['uid']}/attempts")["attempts"]
        equal([attempt["exchange"]["class"] for attempt in attempts], ["status_5xx", "ok"], "classes")
        exchange = attempts[1]["exchange"]
        equal((exchange["kind"], exchange["message"], exchange["request_bytes"]), ("deliver", message["id"], len(house.third.received[1].body)), "the exchange")
        equal(exchange["request_excerpt"].encode(), house.third.received[1].body, "what was sent")


@story
def made_then_changed_then_retracted():
    """POST first, PUT under the other side's own id afterwards, DELETE when the entity is gone; what is older than the last success is not sent."""
    script = [(201, {}, b'{"thing":{"id":"E 1"}}'), 200, 200, 204]
    with House(*script) as house:
        house.endpoint("crm", url=house.at("/things"), update_url=house.at("/things/{external_id}"), update_method="PUT", order="latest",
                       external_id="$.thing.id", retract={"url": house.at("/things/{external_id}")})
        first = house.send(entity="f1")
        equal(house.delivery(first)["state"], "completed", "the first")
        second = house.send(entity="f1", payload={"a": 2})
        equal(house.delivery(second)["state"], "completed", "the second")
        house.api.post(f"/v1/jobs/{house.delivery(first)['uid']}/retry", {})
        job = house.delivery(first)
        equal((job["state"], job["outcome"], house.api.get(f"/v1/jobs/{job['uid']}/result")), ("completed", "filtered", {"reason": "superseded"}), "the old one again")
        never = house.send(entity="f2", deleted=True)
        equal(house.delivery(never)["outcome"], "filtered", "nobody heard of f2")
        third = house.send(entity="f1", payload={"a": 3})
        equal(house.delivery(third)["state"], "completed", "the third")
        gone = house.send(entity="f1", deleted=True)
        job = house.delivery(gone)
        equal(house.api.get(f"/v1/jobs/{job['uid']}/result"), {"status": 204, "retracted": True}, "the retraction")
        calls = [(received.method, received.path) for received in house.third.received]
        equal(calls, [("POST", "/things"), ("PUT", "/things/E%201"), ("PUT", "/things/E%201"), ("DELETE", "/things/E%201")], "calls")


@story
def a_missing_secret_costs_nothing():
    """The delivery says what is missing, and uses up no attempt."""
    with House(200) as house:
        house.endpoint("crm", sign={"secret": "signing"})
        house.send()
        [job] = house.api.get("/v1/jobs?queue=webhooks")["jobs"]
        while not (attempts := house.api.get(f"/v1/jobs/{job['uid']}/attempts")["attempts"]):
            pass
        equal((attempts[0]["error"]["class"], attempts[0]["error"]["message"]), ("secret_missing", 'A secret is missing: there is no "signing".'), "the error")
        job = house.api.get(f"/v1/jobs/{job['uid']}")
        equal((job["state"], job["attempts_made"], house.third.received), ("delayed", 0, []), "the delivery")


@story
def who_is_busy_is_left_alone():
    """429 with Retry-After holds back the endpoint's other deliveries too; no attempt is used up."""
    with House((429, {"Retry-After": "1"}, b""), 200) as house:
        house.endpoint("crm", concurrency=1)
        jobs = [house.delivery(message) for message in [house.send(), house.send()]]
        equal([job["state"] for job in jobs], ["completed"] * 2, "both")
        equal(sum(job["attempts_made"] for job in jobs), 2, "attempts used up")
        equal(len(house.third.received), 3, "calls")


if __name__ == "__main__":
    run()
