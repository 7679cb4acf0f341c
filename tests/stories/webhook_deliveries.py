"""Webhooks, as third parties see them: signed, repeated with the same id, addressed by their own id, retracted; and no secret in what is kept."""

import base64
import hashlib
import hmac
import json
import os
import tempfile
import time

from harness import House, Receiver, check, equal, run, story

KEY, OLDER = base64.b64encode(b"k" * 32).decode(), base64.b64encode(b"o" * 32).decode()
QUICK = {"kind": "fixed", "delay_ms": 5, "max_attempts": 5, "jitter": "none"}


class Webhooks(House):
    """With a file of secrets."""

    def __init__(self, *script, secrets=None):
        self.directory = tempfile.TemporaryDirectory()
        path = os.path.join(self.directory.name, "secrets.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(secrets or {}, file)
        os.chmod(path, 0o600)
        super().__init__(*script, arguments=("--secrets-path", path))

    def __exit__(self, *problem):
        super().__exit__(*problem)
        self.directory.cleanup()

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


def signatures(received, *keys):
    head = f"{received.headers['webhook-id']}.{received.headers['webhook-timestamp']}.".encode()
    return " ".join("v1," + base64.b64encode(hmac.digest(base64.b64decode(key), head + received.body, hashlib.sha256)).decode() for key in keys)


@story
def a_signed_body_arrives_in_spite_of_a_failure():
    """503, then 200: the same webhook-id twice, each attempt signed with its own timestamp by the key of now and the one before."""
    with Webhooks(503, 200, secrets={"endpoint/crm": ["whsec_" + KEY, "whsec_" + OLDER]}) as house:
        house.endpoint("crm", sign={"kind": "v1"})
        message = house.send(entity="f1")
        job = house.delivery(message)
        equal((job["state"], job["attempts_made"]), ("completed", 2), "the delivery")
        equal([received.headers["webhook-id"] for received in house.third.received], [message["id"]] * 2, "webhook-id")
        for received in house.third.received:
            equal(received.headers["webhook-signature"], signatures(received, KEY, OLDER), "signatures")
            check(abs(int(received.headers["webhook-timestamp"]) - time.time()) < 300, "the timestamp is not the attempt's")
            body = json.loads(received.body)
            equal((body["type"], body["data"]), ("fiche.updated", {"a": 1}), "the body")
        attempts = house.api.get(f"/v1/jobs/{job['uid']}/attempts")["attempts"]
        equal([attempt["exchange"]["class"] for attempt in attempts], ["status_5xx", "ok"], "classes")
        exchange = attempts[1]["exchange"]
        equal((exchange["kind"], exchange["message"], exchange["request_bytes"]), ("deliver", message["id"], len(house.third.received[1].body)), "the exchange")
        equal(exchange["request_excerpt"].encode(), house.third.received[1].body, "what was sent")
        equal(exchange["request_headers"]["webhook-signature"], "(redacted)", "the signature, as kept")


@story
def made_then_changed_then_retracted():
    """POST first, PUT under the other side's own id afterwards, DELETE when the entity is gone; what is older than the last success is not sent."""
    script = [(201, {}, b'{"thing":{"id":"E 1"}}'), 200, 200, 204]
    with Webhooks(*script) as house:
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
def secrets_are_in_no_record():
    """Of an other side that repeats what it was sent, the values are hidden; and everything that stands in the store is read for them."""
    def echo(client, received):
        body = json.dumps({"headers": received.headers}).encode()
        client.sendall(b"HTTP/1.1 400 No\r\nX-Echo: %s\r\nContent-Length: %d\r\n\r\n" % (received.headers["client_secret"].encode(), len(body)) + body)
        return True

    with Webhooks(echo, secrets={"signing": KEY, "connect": "s3cret-of-connect", "password": "s3cret-password"}) as house:
        house.endpoint("crm", sign={"secret": "signing"}, headers={"client_secret": {"secret": "connect"}}, auth={"kind": "basic", "user": "hive", "secret": "password"})
        job = house.delivery(house.send())
        received = house.third.received[0]
        equal(received.headers["client_secret"], "s3cret-of-connect", "the header")
        equal(received.headers["authorization"], "Basic " + base64.b64encode(b"hive:s3cret-password").decode(), "authorization")
        equal(job["state"], "failed", "a 400 is final")
        told = json.dumps([house.api.get(f"/v1/jobs/{job['uid']}/attempts"), job, house.api.get("/v1/endpoints/crm")])
        for canary in ("s3cret", base64.b64encode(b"hive:s3cret-password").decode(), KEY):
            check(canary not in told, f"{canary} stands in {told}")
        check("(redacted)" in told, "nothing was hidden")


@story
def a_missing_secret_costs_nothing():
    """One that went away since the endpoint named it: the delivery says what is missing, uses up no attempt, and goes on when it is there again."""
    with Webhooks(200) as house:
        house.api.put("/v1/secrets/signing", {"value": "whsec_" + KEY})
        house.endpoint("crm", sign={"secret": "signing"})
        house.api.delete("/v1/secrets/signing")
        house.send()
        [job] = house.api.get("/v1/jobs?queue=webhooks")["jobs"]
        while not (attempts := house.api.get(f"/v1/jobs/{job['uid']}/attempts")["attempts"]):
            pass
        equal((attempts[0]["error"]["class"], attempts[0]["error"]["message"]), ("secret_missing", 'A secret is missing: there is no "signing".'), "the error")
        job = house.api.get(f"/v1/jobs/{job['uid']}")
        equal((job["state"], job["attempts_made"], house.third.received), ("delayed", 0, []), "the delivery")
        house.api.put("/v1/secrets/signing", {"value": "whsec_" + KEY})
        equal(house.api.wait(job["uid"])["attempts_made"], 1, "attempts used up when it was there again")


@story
def who_is_busy_is_left_alone():
    """429 with Retry-After holds back the endpoint's other deliveries too; no attempt is used up."""
    with Webhooks((429, {"Retry-After": "1"}, b""), 200) as house:
        house.endpoint("crm", concurrency=1)
        jobs = [house.delivery(message) for message in [house.send(), house.send()]]
        equal([job["state"] for job in jobs], ["completed"] * 2, "both")
        equal(sum(job["attempts_made"] for job in jobs), 2, "attempts used up")
        equal(len(house.third.received), 3, "calls")


@story
def an_access_token_is_had_and_renewed():
    """Client credentials: one token for all deliveries; when it is refused, another one, within the same attempt."""
    def issue(client, received):
        tokens.append(f"token-number-{len(tokens)}")
        body = json.dumps({"access_token": tokens[-1], "token_type": "Bearer", "expires_in": 3600}).encode()
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        return True

    tokens = []
    with Webhooks(200, 200, 401, 200, secrets={"client": "s3cret-of-the-client"}) as house, Receiver(issue) as issuer:
        house.endpoint("crm", auth={"kind": "oauth2", "token_url": issuer.url, "client_id": "hive", "secret": "client", "scope": "things"})
        jobs = [house.delivery(house.send()) for _ in range(3)]
        equal([(job["state"], job["attempts_made"]) for job in jobs], [("completed", 1)] * 3, "deliveries")
        equal([received.headers["authorization"] for received in house.third.received], ["Bearer token-number-0"] * 3 + ["Bearer token-number-1"], "tokens")
        equal(issuer.received[0].body, b"grant_type=client_credentials&scope=things", "what was asked for")
        told = json.dumps([house.api.get(f"/v1/jobs/{job['uid']}/attempts") for job in jobs])
        check("token-number" not in told and "s3cret" not in told, f"a secret stands in {told}")


if __name__ == "__main__":
    run()
