"""Incoming webhooks: who is believed, what becomes of it, and that it is there once."""

import base64
import hashlib
import hmac
import http.client
import json
import threading
import time

from harness import DEADLINE_S, Daemon, check, equal, run, story

KEY = b"thirty-two bytes of a secret key"
WHSEC = "whsec_" + base64.b64encode(KEY).decode()
INTO = {"message": {"type": "came"}}


def now():
    return str(int(time.time()))


def hexadecimal(key, signed):
    return hmac.new(key, signed, hashlib.sha256).hexdigest()


def github(body, key=b"one", delivery="d1", event="push"):
    return {"X-Hub-Signature-256": "sha256=" + hexadecimal(key, body), "X-GitHub-Delivery": delivery, "X-GitHub-Event": event}


def stripe(body, key=b"one", at=None):
    at = at or now()
    return {"Stripe-Signature": f"t={at},v1={hexadecimal(key, at.encode() + b'.' + body)}"}


def sentry(body, key=b"one", request="r1"):
    return {"Sentry-Hook-Signature": hexadecimal(key, body), "Request-ID": request}


def basic(user):
    return {"Authorization": "Basic " + base64.b64encode(user.encode()).decode()}


def standard(body, key=KEY, message="msg_1", at=None):
    at = at or now()
    mac = hmac.new(key, f"{message}.{at}.".encode() + body, hashlib.sha256).digest()
    return {"webhook-id": message, "webhook-timestamp": at, "webhook-signature": "v1," + base64.b64encode(mac).decode()}


def source(api, name, kind, secret=None, into=None, **more):
    if secret:
        api.put(f"/v1/secrets/{name}", {"values": [{"value": value} for value in secret]} if isinstance(secret, list) else {"value": secret})
    verify = {"kind": kind, **({"secret": name} if secret else {})}
    return api.put(f"/v1/sources/{name}", {"verify": verify, "into": into or INTO, **more})


class Sender:
    """Somebody without a token."""

    def __init__(self, daemon):
        self.client = daemon.api.again(token="")

    def send(self, name, body, headers=None, status=202, media="application/json"):
        return self.client.call("POST", f"/in/{name}", raw=body, headers={"Content-Type": media, **(headers or {})}, status=status).json


def refused_alike(answers):
    """None of them tells more of a secret than another."""
    equal({answer["code"] for answer in answers}, {"signature_invalid"}, "codes")


@story
def each_verifier_knows_its_own(ruche):
    """GitHub, Stripe, Sentry, Standard Webhooks, a password, and nobody: believed with the right secret, not with any other, and never for another body."""
    api, sender = ruche.api, Sender(ruche)
    source(api, "gh", "github", "one", into={"message": {"type": "github.{header:x-github-event}", "entity": "$.repository.id", "channels": ["code"]}},
           headers=["X-GitHub-Event"])
    source(api, "pay", "stripe", "one", into={"message": {"type": "stripe.{$.type}"}})
    source(api, "errors", "sentry", "one")
    source(api, "chat", "basic", "user:pass:word")
    source(api, "peer", "standard_webhooks", WHSEC)
    source(api, "any", "none")
    body = json.dumps({"id": "evt_1", "type": "charge.succeeded", "repository": {"id": 7}}).encode()
    right = {"gh": github(body), "pay": stripe(body), "errors": sentry(body), "chat": basic("user:pass:word"), "peer": standard(body), "any": {}}
    wrong = {"gh": [github(body, b"two"), github(b"{}"), {}, {"X-Hub-Signature-256": "sha1=" + "0" * 40}],
             "pay": [stripe(body, b"two"), stripe(b"{}"), {}, {"Stripe-Signature": "t=1"}],
             "errors": [sentry(body, b"two"), sentry(b"{}"), {}, {"Sentry-Hook-Signature": "x"}],
             "chat": [basic("user:pass"), basic("other:pass:word"), {}, {"Authorization": "Bearer x"}],
             "peer": [standard(body, b"another key of thirty-two bytes."), standard(b"{}"), {}, {**standard(body), "webhook-id": "msg_2"}]}
    for name, attempts in wrong.items():
        refused_alike([sender.send(name, body, headers, status=401) for headers in attempts])
    equal(api.get("/v1/messages")["messages"], [], "messages of those who were not believed")
    for name, headers in right.items():
        received = sender.send(name, body, headers)
        message = api.get(f"/v1/messages/{received['id']}?payload=true")
        equal(message["payload"], json.loads(body), f"payload of {name}")
        equal(message["metadata"]["source"], name, "its source")
    messages = {message["type"]: message for message in api.get("/v1/messages")["messages"]}
    equal(sorted(messages), ["came", "github.push", "stripe.charge.succeeded"], "types")
    pushed = api.get(f"/v1/messages/{messages['github.push']['id']}?payload=true")
    equal((pushed["entity"], pushed["channels"], pushed["key"]), ("7", ["code"], "in/gh/d1"), "of GitHub's")
    equal(pushed["metadata"], {"source": "gh", "headers": {"X-GitHub-Event": "push"}}, "its metadata")
    equal(api.get(f"/v1/messages/{messages['stripe.charge.succeeded']['id']}")["key"], "in/pay/evt_1", "Stripe's id")
    answer = sender.client.call("POST", "/in/chat", raw=body, status=401)
    equal(answer.headers["www-authenticate"], 'Basic realm="ruche"', "what a password is asked by")
    sender.client.refused("POST", "/in/none", {}, status=404, code="source_not_found")
    sender.client.call("GET", "/in/gh", status=405)


@story
def old_timestamps_are_not_believed(ruche):
    """Where the time is signed, 5 minutes are the tolerance, either way."""
    api, sender = ruche.api, Sender(ruche)
    source(api, "pay", "stripe", "one")
    source(api, "peer", "standard_webhooks", WHSEC)
    body = b'{"id":"evt_1"}'
    for seconds in (-3600, 3600):
        at = str(int(time.time()) + seconds)
        sender.send("pay", body, stripe(body, at=at), status=401)
        sender.send("peer", body, standard(body, at=at), status=401)
    for seconds in (-200, 200):
        at = str(int(time.time()) + seconds)
        sender.send("pay", body, stripe(body, at=at), status=(202, 200))
        sender.send("peer", body, standard(body, at=at), status=(202, 200))


@story
def what_came_before_is_known(ruche):
    """The same id again answers the first message; ids of two sources are two; without an id each is one. So it is with jobs."""
    api, sender = ruche.api, Sender(ruche)
    body = b'{"id":"a/b","n":1}'
    source(api, "gh", "github", "one")
    source(api, "gh2", "github", "one")
    first = sender.send("gh", body, github(body))
    equal(sender.send("gh", body, github(body), status=200), {"id": first["id"], "duplicate": True}, "again")
    check(sender.send("gh", body, github(body, delivery="d2"))["id"] != first["id"], "another id is another message")
    check(sender.send("gh2", body, github(body))["id"] != first["id"], "another source is another message")
    source(api, "open", "none", id="$.id", into={"job": {"queue": "work", "name": "{header:x-kind}", "group": "{$.n}"}})
    made = sender.send("open", body, {"X-Kind": "order"})
    equal(sender.send("open", body, status=200), {"id": made["id"], "duplicate": True}, "the job again")
    job = api.job(made["id"])
    equal((job["id"], job["name"], job["group"], job["queue"]), ("in/open/a/b", "order", "1", "work"), "the job")
    api.patch("/v1/sources/open", {"id": None})
    check(sender.send("open", body)["id"] != sender.send("open", body)["id"], "without an id each is one")
    long = json.dumps({"id": "x" * 10000}).encode()
    api.patch("/v1/sources/open", {"id": "$.id"})
    equal(sender.send("open", long)["id"], sender.send("open", long, status=200)["id"], "a long id")
    claimed, _ = api.claim_one("work")
    equal((claimed["payload"], claimed["metadata"]), (json.loads(body), {"source": "open", "headers": {}}), "what a worker gets")


@story
def a_secret_is_rotated(ruche):
    """While the old value counts, both are believed; afterwards the new one alone. Without any the sender is to try again."""
    api, sender = ruche.api, Sender(ruche)
    body = b"{}"
    source(api, "gh", "github", "one")
    sender.send("gh", body, github(body, b"one", "1"))
    sender.send("gh", body, github(body, b"two", "2"), status=401)
    api.post("/v1/secrets/gh/rotate", {"value": "two"})
    sender.send("gh", body, github(body, b"one", "3"))
    sender.send("gh", body, github(body, b"two", "4"))
    api.put("/v1/secrets/gh", {"value": "two"})
    sender.send("gh", body, github(body, b"one", "5"), status=401)
    sender.send("gh", body, github(body, b"two", "6"))
    api.delete("/v1/secrets/gh")
    told = [sender.send("gh", body, headers, status=503) for headers in (github(body, b"two", "7"), {})]
    check(told[0] == told[1] and "secret" not in told[0]["detail"].lower(), f"what is told: {told}")


@story
def what_cannot_be_kept_is_refused(ruche):
    """Too large, JSON that is none, a type that would be empty; and what is no JSON is kept as text or bytes."""
    api, sender = ruche.api, Sender(ruche)
    source(api, "open", "none", into={"message": {"type": "in.{header:x-kind}"}}, body_bytes=1000)
    kind = {"X-Kind": "a b/c"}
    equal(sender.send("open", b'"' + b"x" * 1000 + b'"', kind, status=413)["code"], "too_large", "code")
    sender.send("open", b'"' + b"x" * 998 + b'"', kind)
    for broken in (b"{", b"\xff", b"{} {}", b'"\x01"', b"[" * 500 + b"]" * 500):
        equal(sender.send("open", broken, kind, status=400)["code"], "malformed_json", f"{broken[:20]!r}")
    equal(sender.send("open", b"{}", status=422)["field"], "into.message.type", "without the header")

    def kept(body, media):
        return api.get(f"/v1/messages/{sender.send('open', body, kind, media=media)['id']}?payload=true")

    form = "application/x-www-form-urlencoded"
    equal(kept(b"a=1&b=2", form)["payload"], {"content_type": form, "text": "a=1&b=2"}, "a form")
    equal(kept(b"\xff\x00", "image/png")["payload"], {"content_type": "image/png", "base64": "/wA="}, "bytes")
    equal(kept(b"{", None)["payload"], {"content_type": None, "text": "{"}, "without a type")
    equal(kept(b" [1.50]\n", None)["payload"], [1.5], "JSON without a type")
    equal(kept(b"", "application/json")["payload"], None, "nothing")
    equal(kept(b"{}", "application/vnd.x+json")["type"], "in.a_b_c", "other characters in a type")
    sender.client.call("POST", "/in/open?token=x&y", raw=b"{}", headers={**kind, "Idempotency-Key": "k", "Content-Type": "application/json"}, status=202)


@story
def what_does_not_fit():
    """Headers that are too large together do not cost the webhook: those named first stay, the others are named. What is no JSON and would be larger than is
    kept, as JSON, is refused as too large, and so is what has more values than can be looked into: nobody sends these again in vain."""
    with Daemon("--http-header-bytes", "64KiB", "--http-body-bytes", "64MiB", "--http-body-idle-ms", "60s") as ruche:
        api, sender = ruche.api, Sender(ruche)
        source(api, "fat", "none", headers=["X-First", "X-Fat", "X-None", "X-Last"], body_bytes=64 << 20)
        received = sender.send("fat", b"{}", {"X-Last": "last", "X-Fat": '"' * 40000, "X-First": "first"})
        equal(api.get(f"/v1/messages/{received['id']}?payload=true")["metadata"],
              {"source": "fat", "headers": {"X-First": "first", "X-Last": "last"}, "left_out": ["X-Fat"]}, "metadata")
        received = sender.send("fat", b"{}", {"X-Last": '"' * 12000, "X-Fat": "x" * 50000, "X-First": "first"})
        metadata = api.get(f"/v1/messages/{received['id']}?payload=true")["metadata"]
        equal((sorted(metadata["headers"]), metadata["left_out"]), (["X-Fat", "X-First"], ["X-Last"]), "one that fits alone")
        for body, media in ((b"\x01" * (12 << 20), "text/plain"), (b"\xff" * (49 << 20), "image/png")):
            refused = sender.send("fat", body, status=413, media=media)
            equal((refused["code"], refused["field"]), ("too_large", "body"), f"{media}: {refused}")
        kept = sender.send("fat", b"\n" * (1 << 20), media="text/plain")
        equal(len(api.get(f"/v1/messages/{kept['id']}?payload=true")["payload"]["text"]), 1 << 20, "text whose ends of lines double")
        api.patch("/v1/sources/fat", {"id": "$.id"})
        refused = sender.send("fat", b"[" + b"1," * (6 << 20) + b"1]", status=413)
        equal((refused["code"], refused["field"]), ("too_large", "body"), f"many values: {refused}")


@story
def large_ones_are_judged_too(ruche):
    """A body that is judged beside the loop, right and wrong; and one that is larger than what is staged."""
    api, sender = ruche.api, Sender(ruche)
    source(api, "gh", "github", "one", into={"message": {"type": "came", "entity": "$.id"}})
    for size in (200_000, 600_000):
        body = json.dumps({"id": size, "text": "x" * size}).encode()
        sender.send("gh", body, github(body, b"two"), status=401)
        received = sender.send("gh", body, github(body, delivery=str(size)))
        message = api.get(f"/v1/messages/{received['id']}?payload=true")
        equal((message["entity"], message["payload"]), (str(size), json.loads(body)), "what was kept")


@story
def settings_are_looked_at(ruche):
    """Refused by field; a secret must be there and fit; PATCH keeps the rest; a limited token makes no source for other queues."""
    api = ruche.api
    refused = lambda body, **more: api.refused("PUT", "/v1/sources/gh", body, **more)
    refused({"into": INTO}, field="verify")
    refused({"verify": {"kind": "github", "secret": "gh"}, "into": INTO}, field="verify.secret")
    api.put("/v1/secrets/gh", {"value": "no-colon"})
    refused({"verify": {"kind": "basic", "secret": "gh"}, "into": INTO}, field="verify.secret")
    problem = refused({"verify": {"kind": "standard_webhooks", "secret": "gh"}, "into": INTO}, field="verify.secret")
    check("no-colon" not in problem["detail"], "the problem tells the secret")
    refused({"verify": {"kind": "none"}, "into": {"message": {"type": "{oops}"}}}, field="into.message.type")
    api.refused("PUT", "/v1/sources/a%2Fb", {"verify": {"kind": "none"}, "into": INTO}, field="source")
    api.refused("PATCH", "/v1/sources/gh", {"id": "$.id"}, status=404, code="source_not_found")
    made = source(api, "gh", "github", "one", into={"job": {"queue": "work"}})
    equal((made["path"], made["settings"]["body_bytes"]), ("/in/gh", 1048576), "made")
    equal(source(api, "gh", "github", "one", into={"job": {"queue": "work"}})["version"], made["version"], "the same again changes nothing")
    patched = api.patch("/v1/sources/gh", {"id": "$.id"})
    equal((patched["settings"]["id"], patched["settings"]["into"], patched["settings"]["verify"]),
          ("$.id", made["settings"]["into"], {"kind": "github", "secret": "gh"}), "patched")
    equal(api.get("/v1/sources/gh"), patched, "looked at")
    equal([one["name"] for one in api.get("/v1/sources")["sources"]], ["gh"], "listed")
    spaced = api.put("/v1/sources/%C3%A9?namespace=team", {"verify": {"kind": "none"}, "into": INTO})
    equal(spaced["path"], "/in/team/%C3%A9", "of a namespace")
    received = Sender(ruche).send("team/%C3%A9", b"{}")
    equal(api.get(f"/v1/messages/{received['id']}")["namespace"], "team", "its message's namespace")
    limited = api.again(token=api.post("/v1/tokens", {"name": "l", "scopes": ["operate", "read"], "queues": ["webhooks", "mine"]})["token"])
    limited.put("/v1/sources/mine", {"verify": {"kind": "none"}, "into": {"job": {"queue": "mine"}}})
    limited.refused("PATCH", "/v1/sources/mine", {"into": {"job": {"queue": "theirs"}}}, status=403, field="into.job.queue")
    api.call("DELETE", "/v1/sources/gh", status=204)
    api.refused("GET", "/v1/sources/gh", status=404, code="source_not_found")
    Sender(ruche).send("gh", b"{}", status=404)


@story
def those_not_believed_are_told_once_a_minute(ruche):
    """The log says so once for many, counts are metrics, and nothing tells a secret."""
    api, sender = ruche.api, Sender(ruche)
    secret = "hunter2-not-to-be-told"
    source(api, "gh", "github", secret)
    source(api, "chat", "basic", "user:" + secret)
    answers = [sender.send("gh", b"{}", github(b"{}", b"wrong"), status=401) for _ in range(20)]
    answers += [sender.send("chat", b"{}", basic("user:wrong"), status=401 if n < 10 else 429) for n in range(20)]
    sender.send("gh", b"{}", github(b"{}", secret.encode()))
    log = ruche.log()
    equal(log.count("incoming.refused"), 2, "lines told")
    metrics = api.call("GET", "/metrics").body.decode()
    check("ruche_incoming_distrusted_total 30" in metrics and "ruche_incoming_received_total 1" in metrics, "metrics")
    check("ruche_incoming_unheard_total 10" in metrics, "who guessed too often")
    check(secret not in log + json.dumps(answers) + metrics + json.dumps(api.get("/v1/sources")), "somebody told the secret")


@story
def who_guesses_at_a_password_waits():
    """Ten wrong passwords of an address, and it is not listened to for the rest of a minute; the true sender elsewhere is, and so are signatures."""
    with Daemon(tcp=True) as ruche:
        source(ruche.api, "chat", "basic", "user:right")
        source(ruche.api, "more", "basic", "user:right")
        source(ruche.api, "gh", "github", "one")

        def post(address, name, headers):
            connection = http.client.HTTPConnection("127.0.0.1", ruche.tcp, timeout=DEADLINE_S, source_address=(address, 0))
            connection.request("POST", f"/in/{name}", b"{}", {"Content-Type": "application/json", **headers})
            answer = connection.getresponse()
            text = answer.read()
            connection.close()
            return answer.status, answer.headers, text

        for n in range(10):
            equal(post("127.0.0.2", "chat", basic(f"user:{n}"))[0], 401, "a guess")
        status, headers, text = post("127.0.0.2", "chat", basic("user:right"))
        equal((status, json.loads(text)["code"]), (429, "too_many_requests"), "after ten")
        check(0 < int(headers["Retry-After"]) <= 60 and b"right" not in text, f"{headers} {text!r}")
        equal(post("127.0.0.3", "chat", basic("user:right"))[0], 202, "the true sender")
        equal(post("127.0.0.2", "more", basic("user:right"))[0], 202, "another source, where nobody guessed")
        for _ in range(20):
            equal(post("127.0.0.2", "gh", github(b"{}", b"two"))[0], 401, "signatures cannot be guessed")
        equal(post("127.0.0.2", "gh", github(b"{}"))[0], 202, "a right one")
    with Daemon("--webhooks-guesses-per-minute", "0") as ruche:
        source(ruche.api, "chat", "basic", "user:right")
        for _ in range(30):
            Sender(ruche).send("chat", b"{}", basic("user:wrong"), status=401)
        Sender(ruche).send("chat", b"{}", basic("user:right"))


@story
def killed_before_the_answer():
    """Killed between receiving and answering, wherever that falls: the sender repeats until it hears, and each message is there exactly once."""
    with Daemon() as daemon:
        source(daemon.api, "gh", "github", "one", into={"message": {"type": "came"}})
        body, heard, total = b'{"n":1}', {}, 60

        def deliver():
            client = daemon.api.again(token="")
            for n in range(total):
                while n not in heard:
                    try:
                        answer = client.send("POST", "/in/gh", body, {**github(body, delivery=str(n)), "Content-Type": "application/json"})
                        if answer.status in (200, 202):
                            heard[n] = answer.json
                    except (OSError, http.client.HTTPException):
                        client.close()
                        time.sleep(0.005)  # the daemon is being started

        thread = threading.Thread(target=deliver)
        thread.start()
        for kill in range(4):
            while thread.is_alive() and len(heard) < (kill + 1) * total // 6:
                time.sleep(0.001)
            daemon.restart()
        thread.join()
        messages = daemon.api.get("/v1/messages?limit=1000")["messages"]
        equal(sorted(message["key"] for message in messages), sorted(f"in/gh/{n}" for n in range(total)), "messages")
        equal({message["id"] for message in messages}, {told["id"] for told in heard.values()}, "those that were told")


@story
def from_the_command_line(ruche):
    """`ruche sources`: made, changed by what is named, listed, shown, refused by field, deleted."""
    ruche.api.put("/v1/secrets/gh-hook", {"value": "one"})
    check(b"no source yet" in ruche.cli("sources"), "nothing there yet says how to begin")
    ruche.cli("sources", "set", "gh", "id=$.id", status=65)
    check("verify" in ruche.cli_errors, f"a new one without verify: {ruche.cli_errors}")
    ruche.cli("sources", "show", "gh", status=66)
    said = ruche.cli("sources", "set", "gh", "verify.kind=github", "verify.secret=gh-hook", 'into={"message": {"type": "github.{header:x-github-event}"}}', 'headers=["x-github-event"]')
    equal(said, b"gh is set: it receives at /in/gh\n", "what is said")
    ruche.cli("sources", "set", "gh", "body_bytes=5000")
    ruche.cli("sources", "set", "deep", "verify.kind=none", "into.job.queue=q", "id=$.id", "into.job.group=$.a.b", "body_bytes=10")
    deep = ruche.api.get("/v1/sources/deep")["settings"]
    equal((deep["into"], deep["id"]), ({"job": {"queue": "q", "name": None, "group": "$.a.b"}}, "$.id"), "as deep as there are dots")
    ruche.cli("sources", "set", "deep", "into.message.type=came", "into.message.channels=[\"a\"]")
    equal(ruche.api.get("/v1/sources/deep")["settings"]["into"], {"message": {"type": "came", "entity": None, "channels": ["a"]}}, "said anew")
    ruche.cli("sources", "set", "deep", "into.message.typo=came", status=65)
    check("into.message.typo" in ruche.cli_errors, f"what is wrong: {ruche.cli_errors}")
    ruche.cli("sources", "delete", "deep", "--yes")
    listed = ruche.cli("sources", "list").decode().splitlines()
    equal((len(listed), listed[1].split()), (2, ["gh", "github", "gh-hook", "message", "github.{header:x-github-event}", "/in/gh"]), "listed")
    shown = ruche.cli("sources", "show", "gh").decode()
    check("verify.secret" in shown and "5000" in shown and "x-github-event" in shown, f"shown: {shown}")
    equal(json.loads(ruche.cli("sources", "show", "gh", "--json")), ruche.api.get("/v1/sources/gh"), "as JSON")
    ruche.cli("sources", "set", "away", '{"verify": {"kind": "none"}, "into": {"job": {"queue": "q"}}}', "--namespace", "team")
    equal([one["path"] for one in ruche.api.get("/v1/sources?namespace=team")["sources"]], ["/in/team/away"], "of a namespace")
    page = json.loads(ruche.cli("sources", "list", "--limit", "1", "--json"))
    equal(page["next_cursor"], None, "one page")
    ruche.cli("sources", "delete", "gh", status=64)
    equal(ruche.cli("sources", "delete", "gh", "--yes"), b"gh is deleted\n", "deleted")
    ruche.cli("sources", "delete", "gh", "--yes", status=66)


@story
def sources_outlive_a_restart(ruche):
    """Known again before the first request is answered."""
    source(ruche.api, "gh", "github", "one")
    for n in range(3):
        ruche.restart()
        Sender(ruche).send("gh", b"{}", github(b"{}", delivery=str(n)))


if __name__ == "__main__":
    run()
