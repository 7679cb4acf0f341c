"""What the first user wants of webhooks, a story for each wish: sheets of actions are saved, and communes, the CRM and others are told.

W9's board and W10's Sentry come with later work; what they will stand on is here. W1 in the caller's own PostgreSQL transaction, likewise."""

import base64
import hashlib
import hmac
import json
import math
import os
import tempfile
import threading
import time
from datetime import datetime, timezone

from harness import DEADLINE_S, ROOT, Daemon, Receiver, check, equal, run, story, until

ALLOW = ("--deliver-allow", "127.0.0.0/8")
QUICK = {"kind": "fixed", "delay_ms": 5, "max_attempts": 3, "jitter": "none"}


def endpoint(api, third, name, **settings):
    return api.put(f"/v1/endpoints/{name}", {"url": f"http://127.0.0.1:{third.port}/{name}", "types": ["fiche.*"], "retry": QUICK, **settings})


def sheet(number, **more):
    return {"id": number, "titre": f"Fiche {number}", "restreint": False, "statut": "En cours", "collectivite": {"id": 3, "type": "commune", "communeCode": "38185"}, **more}


def save(api, number, **more):
    return api.post("/v1/messages", {"type": "fiche.enregistree", "entity": f"fiche/{number}", "payload": sheet(number, **more)}, status=201)


def instant(at_s):
    """The millisecond after it: instants of the API are cut to milliseconds."""
    return datetime.fromtimestamp(math.ceil(at_s * 1000) / 1000, timezone.utc).isoformat(timespec="milliseconds")


def deliveries(api, query=""):
    """By endpoint and message, all of them."""
    found, cursor = {}, ""
    while cursor is not None:
        page = api.get(f"/v1/jobs?queue=webhooks&limit=500{query}" + (f"&cursor={cursor}" if cursor else ""))
        found.update({(job["delivery"]["endpoint"], job["delivery"]["message"]): job for job in page["jobs"]})
        cursor = page["next_cursor"]
    return found


def ended(api, message, name):
    return api.wait(deliveries(api)[name, message["id"]]["uid"])


@story
def w1_one_for_each_that_wants_it_or_none_at_all():
    """A saved sheet is one delivery for each matching endpoint; a request with one bad message leaves nothing, also across a kill right after the answer."""
    with Daemon(*ALLOW) as ruche, Receiver(200) as third:
        for name, types in (("communs", ["fiche.*"]), ("crm", ["fiche.enregistree"]), ("plans", ["plan.*"])):
            endpoint(ruche.api, third, name, types=types)
        for name in ("communs", "crm", "plans"):
            ruche.api.post(f"/v1/endpoints/{name}/pause")
        sent = save(ruche.api, 1)
        ruche.restart()
        equal(set(deliveries(ruche.api)), {("communs", sent["id"]), ("crm", sent["id"])}, "deliveries")
        good, bad = {"type": "fiche.enregistree", "payload": sheet(2)}, {"type": "fiche enregistree", "payload": sheet(3)}
        ruche.api.refused("POST", "/v1/messages", {"messages": [good, bad, good]}, code="invalid_field", field="messages[1].type")
        equal((len(deliveries(ruche.api)), len(ruche.api.get("/v1/messages")["messages"])), (2, 1), "after a refused request")
        equal(ruche.api.post("/v1/messages", {"type": "autre.chose", "payload": 1}, status=201)["nothing"], "no_endpoint", "nobody wants it")


@story
def w2_many_sheets_in_one_call():
    """A plan is imported: 209 sheets for three third parties, one request, 627 deliveries, all of them made."""
    with Daemon(*ALLOW) as ruche, Receiver(200) as third:
        for name in ("communs", "crm", "archive"):
            endpoint(ruche.api, third, name)
        many = [{"type": "fiche.enregistree", "entity": f"fiche/{number}", "payload": sheet(number)} for number in range(209)]
        results = ruche.api.post("/v1/messages", {"messages": many})["results"]
        equal((len(results), {one["matched"] for one in results}), (209, {3}), "the answer")
        until(lambda: ruche.api.states("webhooks")["completed"] == 627, "all were delivered")
        heard = [(received.path, json.loads(received.body)["data"]["id"]) for received in third.received]
        equal((len(heard), len(set(heard))), (627, 627), "calls, each once")


@story
def w3_a_dead_third_party_delays_nobody():
    """One never answers: all that the others are told is told while its calls still hang."""
    gate = threading.Event()
    with Daemon(*ALLOW) as ruche, Receiver(200) as third, Receiver(200, gate=gate) as dead:
        endpoint(ruche.api, dead, "dead", timeout_ms=600000)
        for name in ("communs", "crm"):
            endpoint(ruche.api, third, name)
        for number in range(100):
            save(ruche.api, number)
        third.wait(200)
        states = [job["state"] for (name, _), job in deliveries(ruche.api).items() if name == "dead"]
        equal((len(states), "completed" in states, "active" in states), (100, False, True), "those of the dead one")
        gate.set()
        until(lambda: ruche.api.states("webhooks")["completed"] == 300, "the dead one came to life")


@story
def w4_settings_are_read_at_each_attempt():
    """Wrong URL, wrong format, no secret: put right, then `retry` suffices; and what waits for its next attempt needs not even that."""
    put_right = threading.Event()

    def late(client, received):  # its answer comes when the next attempt will find the right URL
        check(put_right.wait(DEADLINE_S), "nobody put it right")
        return wrong.answer(client, received, 404)

    with Daemon(*ALLOW) as ruche, Receiver(404, late) as wrong, Receiver(200) as right:
        api = ruche.api
        endpoint(api, wrong, "crm", format="raw")
        message = save(api, 1)
        equal(ended(api, message, "crm")["state"], "failed", "at the wrong URL")
        api.put("/v1/formats/name", {"program": "{nom: .payload.titre}"})
        api.put("/v1/secrets/crm-token", {"value": "let me in"})
        api.patch("/v1/endpoints/crm", {"url": right.url, "format": "name", "auth": {"kind": "bearer", "secret": "crm-token"}})
        job = deliveries(api)["crm", message["id"]]
        api.post(f"/v1/jobs/{job['uid']}/retry", {})
        equal(api.wait(job["uid"])["state"], "completed", "after it was put right")
        heard = right.received[0]
        equal((json.loads(heard.body), heard.headers["authorization"], heard.headers["webhook-id"]), ({"nom": "Fiche 1"}, "Bearer let me in", message["id"]), "what came")
        endpoint(api, wrong, "late", timeout_ms=60000, retry={"kind": "list", "list_ms": [50], "max_attempts": 2}, policy={"retry": [404]})
        message = save(api, 2)
        wrong.wait(2)
        api.patch("/v1/endpoints/late", {"url": f"http://127.0.0.1:{right.port}/late"})
        put_right.set()
        equal(ended(api, message, "late")["state"], "completed", "by its next attempt")


@story
def w5_a_new_third_party_needs_no_restart():
    """An endpoint and an entry in the file of secrets: the next sheet is told to it, signed."""
    with tempfile.TemporaryDirectory(prefix="ruche-users-") as directory, Receiver(200) as third:
        path, key = os.path.join(directory, "secrets.json"), b"a key of exactly 32 bytes length"

        def write(secrets):
            with open(path + ".new", "w", encoding="utf-8") as file:
                json.dump(secrets, file)
            os.chmod(path + ".new", 0o600)
            os.rename(path + ".new", path)

        write({"old": "x"})
        with Daemon(*ALLOW, "--secrets-path", path) as ruche:
            write({"old": "x", "new-signing": "whsec_" + base64.b64encode(key).decode()})
            until(lambda: "secrets.read" in ruche.log(), "the file was read again")
            endpoint(ruche.api, third, "new", sign={"secret": "new-signing"})
            save(ruche.api, 1)
            heard = third.wait(1)
            signed = f"{heard.headers['webhook-id']}.{heard.headers['webhook-timestamp']}.".encode() + heard.body
            equal(heard.headers["webhook-signature"], "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode(), "the signature")


@story
def w6_formats_and_nothing_to_send():
    """Two third parties take a sheet each in their own form; a restricted one is `filtered`: a final state that is listed and counted."""
    with Daemon(*ALLOW) as ruche, Receiver(200) as third, open(os.path.join(ROOT, "examples", "formats", "communs.jq"), encoding="utf-8") as program:
        api = ruche.api
        api.put("/v1/formats/communs", {"program": program.read()})
        endpoint(api, third, "communs", format="communs")
        endpoint(api, third, "crm")
        open_one, hidden = save(api, 1, titre=None), save(api, 2, restreint=True)
        jobs = {message["id"]: [ended(api, message, name) for name in ("communs", "crm")] for message in (open_one, hidden)}
        equal([(job["state"], job["outcome"]) for job in jobs[hidden["id"]]], [("completed", "filtered"), ("completed", "success")], "the restricted one")
        mapped = [json.loads(received.body) for received in third.received if received.path == "/communs"]
        equal([(one["nom"], one["externalId"], one["phase"], one["phaseStatut"]) for one in mapped], [("Sans titre", "1", "Opération", "En cours")], "what communs got")
        equal(len([received for received in third.received if received.path == "/crm"]), 2, "what the CRM got")


@story
def w7_everything_is_kept():
    """The message, what was sent, what was answered, and the other side's id of the thing, by a path of the endpoint's own."""
    answer = (201, {"Content-Type": "application/json"}, '{"data":[{"ref":"CRM-9","état":"créé"}]}'.encode())
    with Daemon(*ALLOW) as ruche, Receiver(answer, 200) as third:
        api = ruche.api
        api.put("/v1/formats/short", {"program": "{t: .payload.titre, known: .external_id}"})
        endpoint(api, third, "crm", format="short", external_id="$.data[0].ref", order="latest", update_method="PUT", update_url=f"http://127.0.0.1:{third.port}/crm/{{external_id}}")
        message = save(api, 1)
        job = ended(api, message, "crm")
        equal(api.get(f"/v1/messages/{message['id']}?payload")["payload"], sheet(1), "the message")
        [attempt] = api.get(f"/v1/jobs/{job['uid']}/attempts")["attempts"]
        exchange = attempt["exchange"]
        equal((json.loads(exchange["request_excerpt"]), exchange["status"], json.loads(exchange["response_excerpt"])),
              ({"t": "Fiche 1", "known": None}, 201, json.loads(answer[2])), "what was sent and answered")
        save(api, 1)
        heard = third.wait(2)
        equal((heard.method, heard.path, json.loads(heard.body)["known"]), ("PUT", "/crm/CRM-9", "CRM-9"), "the next change of the same sheet")


@story
def w8_tried_again_with_more_and_more_patience():
    """Ten attempts at most unless said otherwise, exponential, with the whole window in words; who says Retry-After is believed."""
    with Daemon(*ALLOW) as ruche, Receiver(503, (503, {"Retry-After": "1"}, b""), 200) as third:
        made = endpoint(ruche.api, third, "crm")
        equal(ruche.api.put("/v1/endpoints/plain", {"url": "https://crm.example.org/"})["retry_words"], "10 attempts over 1 d 7 h", "what is not said")
        first_user = {"kind": "exponential", "delay_ms": 1000, "factor": 2, "max_attempts": 10, "jitter": "none"}
        equal(ruche.api.patch("/v1/endpoints/plain", {"retry": first_user})["retry_words"], "10 attempts over 8 min 31 s", "the first user's own")
        equal(made["settings"]["retry"]["max_attempts"], 3, "its own number")
        job = ended(ruche.api, save(ruche.api, 1), "crm")
        equal((job["state"], len(third.received)), ("completed", 3), "by the third call")
        waits = [later.at_s - earlier.at_s for earlier, later in zip(third.received, third.received[1:])]
        check(waits[1] >= 0.9, f"Retry-After: it waited {waits[1]} s")


@story
def w9_found_seen_and_tried_again():
    """Deliveries by endpoint, sheet and state, each attempt of one, one retried, and all that failed since an instant."""
    with Daemon(*ALLOW) as ruche, Receiver(500) as down, Receiver(200) as third:
        api = ruche.api
        endpoint(api, down, "crm", policy={"final": [500]})
        endpoint(api, third, "communs")
        old = save(api, 0)
        equal(ended(api, old, "crm")["state"], "failed", "an old one")
        since = time.time()  # no other one has ended by then, nor begun
        until(lambda: time.time() > since + 0.001, "that instant was over")
        messages = [save(api, number) for number in range(1, 6)]
        for message in messages:
            ended(api, message, "crm")
        failed = deliveries(api, "&group=crm&state=failed")
        equal({one for _, one in failed}, {message["id"] for message in [old, *messages]}, "those that failed")
        found = api.get("/v1/deliveries?endpoint=crm&entity=fiche/3&state=failed")["deliveries"]
        equal([job["delivery"]["message"] for job in found], [messages[2]["id"]], "of one sheet")
        [attempt] = api.get(f"/v1/jobs/{failed['crm', old['id']]['uid']}/attempts")["attempts"]
        equal((attempt["exchange"]["status"], attempt["number"]), (500, 1), "its attempt")
        down.script = [200]
        api.post(f"/v1/deliveries/{failed['crm', messages[0]['id']]['uid']}/retry", {})
        equal(ended(api, messages[0], "crm")["state"], "completed", "the one that was retried")
        begun = api.post("/v1/operations", {"action": "retry", "filter": {"queue": "webhooks", "group": "crm", "states": ["failed"], "finished_after": instant(since)}})
        until(lambda: api.get(f"/v1/operations/{begun['uid']}")["finished_at"], "the operation ended")
        until(lambda: len(deliveries(api, "&group=crm&state=completed")) == 5, "all since then were delivered")
        equal(set(deliveries(api, "&group=crm&state=failed")), {("crm", old["id"])}, "what failed before is left alone")


@story
def w10_told_once_when_it_is_over():
    """Three attempts fail: one event `failed` and one message `delivery.exhausted`, with all that an error tracker wants to know, and none before."""
    with Daemon(*ALLOW) as ruche, Receiver(503) as third, Receiver(200) as tracker:
        endpoint(ruche.api, tracker, "tracker", types=["delivery.exhausted"])
        endpoint(ruche.api, third, "crm")
        messages = [save(ruche.api, number) for number in (1, 2)]
        uids = {ended(ruche.api, message, "crm")["uid"] for message in messages}
        tracker.wait(2)
        until(lambda: ruche.api.states("webhooks")["completed"] == 2, "it was told")
        events = ruche.api.get("/v1/events?queue=webhooks&after=0.0&limit=500")["events"]
        equal(sorted(event["uid"] for event in events if event["type"] == "failed"), sorted(uids), "events `failed`")
        told = [json.loads(received.body)["data"] for received in tracker.received]
        equal(sorted((one["endpoint"], one["delivery"], one["message"], one["type"], one["entity"], one["attempts_made"], one["error"]["status"]) for one in told),
              sorted(("crm", ended(ruche.api, message, "crm")["uid"], message["id"], "fiche.enregistree", f"fiche/{number}", 3, 503) for number, message in enumerate(messages, 1)), "told")


@story
def w11_ways_to_say_who_we_are():
    """bearer, basic, none, a key in a header, a pair of headers, HMAC, and OAuth2."""
    def issue(client, received):
        body = b'{"access_token":"a-token","token_type":"Bearer","expires_in":3600}'
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        return True

    ways = {
        "none": ({}, {"authorization": None}),
        "bearer": ({"auth": {"kind": "bearer", "secret": "word"}}, {"authorization": "Bearer s3cret"}),
        "basic": ({"auth": {"kind": "basic", "secret": "pair"}}, {"authorization": "Basic " + base64.b64encode(b"ruche:s3cret").decode()}),
        "user": ({"auth": {"kind": "basic", "user": "hive", "secret": "word"}}, {"authorization": "Basic " + base64.b64encode(b"hive:s3cret").decode()}),
        "api-key": ({"headers": {"X-INSEE-Api-Key-Integration": {"secret": "word"}}}, {"x-insee-api-key-integration": "s3cret"}),
        "connect": ({"headers": {"client_id": "us", "client_secret": {"secret": "word"}}}, {"client_id": "us", "client_secret": "s3cret"}),
    }
    with Daemon(*ALLOW) as ruche, Receiver(200) as third, Receiver(issue) as issuer:
        for name, value in (("word", "s3cret"), ("pair", "ruche:s3cret"), ("key", "whsec_" + base64.b64encode(b"k" * 32).decode())):
            ruche.api.put(f"/v1/secrets/{name}", {"value": value})
        ways["oauth2"] = ({"auth": {"kind": "oauth2", "token_url": issuer.url, "client_id": "us", "secret": "word"}}, {"authorization": "Bearer a-token"})
        for name, (settings, _) in ways.items():
            endpoint(ruche.api, third, name, sign={"kind": "none"}, **settings)
        endpoint(ruche.api, third, "hmac", sign={"kind": "v1", "secret": "key"})
        save(ruche.api, 1)
        third.wait(len(ways) + 1)
        heard = {received.path[1:]: received for received in third.received}
        for name, (_, headers) in ways.items():
            equal({header: heard[name].headers.get(header) for header in headers}, headers, name)
            check("webhook-signature" not in heard[name].headers, f"{name} is signed")
        signed = f"{heard['hmac'].headers['webhook-id']}.{heard['hmac'].headers['webhook-timestamp']}.".encode() + heard["hmac"].body
        equal(heard["hmac"].headers["webhook-signature"], "v1," + base64.b64encode(hmac.new(b"k" * 32, signed, hashlib.sha256).digest()).decode(), "HMAC")


@story
def w12_the_same_id_always():
    """Over attempts, a retry by hand after the end, and a crash: webhook-id and Idempotency-Key are the message's id; another endpoint gets the same one."""
    with Daemon(*ALLOW) as ruche, Receiver(503, 503, 503, 503, 200) as third, Receiver(200) as other:
        endpoint(ruche.api, third, "crm")
        endpoint(ruche.api, other, "communs")
        message = save(ruche.api, 1)
        equal(ended(ruche.api, message, "crm")["state"], "failed", "after three attempts")
        equal(ended(ruche.api, message, "communs")["state"], "completed", "the other one's")
        ruche.restart()
        job = deliveries(ruche.api)["crm", message["id"]]
        ruche.api.post(f"/v1/jobs/{job['uid']}/retry", {})
        equal(ruche.api.wait(job["uid"])["state"], "completed", "in the end")
        equal({(received.headers["webhook-id"], received.headers["idempotency-key"]) for received in third.received + other.received}, {(message["id"], message["id"])}, "ids")
        equal((len(third.received), len(other.received)), (5, 1), "calls")


if __name__ == "__main__":
    run()
