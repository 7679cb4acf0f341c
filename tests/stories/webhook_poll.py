"""Endpoints that ask: a consumer behind a firewall reads what it wants, with a place of its own: nothing missed, nothing twice."""

import http.client
import json
import random
import threading
import time

from harness import Daemon, Receiver, check, equal, run, story


def make(api, name="consumer", **settings):
    return api.put(f"/v1/endpoints/{name}", {"kind": "poll", "types": ["*"], "format": "raw", **settings})


BROKEN = (OSError, http.client.HTTPException)


class Consumer:
    """Asks, and goes on where the answer before said."""

    def __init__(self, client, name="consumer"):
        self.client, self.name, self.next, self.told, self.gap = client, name, None, [], False

    def ask(self, **query):
        if self.next:
            query["after"] = self.next
        text = "&".join(f"{key}={value}" for key, value in query.items())
        answer = self.client.get(f"/v1/endpoints/{self.name}/poll" + ("?" + text if text else ""))
        self.next = answer["next"]
        self.told += [item["body"] for item in answer["data"]]
        self.gap = self.gap or answer["gap"]
        return answer


def send(api, *payloads, **fields):
    return api.post("/v1/messages", {"messages": [{"type": "note", "payload": payload, **fields} for payload in payloads]}, status=200)["results"]


@story
def what_it_wants_is_told(ruche):
    """By type, channels and filter, from when it was made; in each of the formats; with its id, and whether the thing is gone."""
    api = ruche.api
    send(api, "before")
    make(api, types=["fiche.*"], channels=["a"], filter={"n": {"$gte": 2}})
    for n in range(4):
        api.post("/v1/messages", {"type": "fiche.updated", "entity": f"e{n}", "payload": {"n": n}, "channels": ["a", "b"], "deleted": n == 3})
    api.post("/v1/messages", {"type": "fiche.updated", "payload": {"n": 9}, "channels": ["c"]})
    api.post("/v1/messages", {"type": "ping", "payload": {"n": 9}})
    sent = api.post("/v1/messages", {"type": "other", "payload": {"n": 0}, "endpoint": "consumer"})
    answer = Consumer(api).ask()
    equal([(item["type"], item["entity"], item["deleted"], item["body"]) for item in answer["data"]],
          [("fiche.updated", "e2", False, {"n": 2}), ("fiche.updated", "e3", True, {"n": 3}), ("other", None, False, {"n": 0})], "told")
    equal((answer["data"][2]["id"], answer["done"], answer["gap"]), (sent["id"], True, False), "id, done and gap")
    message = api.get(f"/v1/messages/{sent['id']}")
    equal(answer["data"][2]["timestamp"], message["created_at"], "its instant")
    api.patch("/v1/endpoints/consumer", {"format": "default"})
    [*_, item] = Consumer(api).ask()["data"]
    equal(item["body"], {"type": "other", "timestamp": message["created_at"], "data": {"n": 0}}, "by default")
    api.patch("/v1/endpoints/consumer", {"format": "cloudevents"})
    [*_, item] = Consumer(api).ask()["data"]
    equal((item["body"]["specversion"], item["body"]["id"], item["body"]["source"], item["body"]["data"]), ("1.0", sent["id"], "/ruche/default", {"n": 0}), "as a CloudEvent")
    api.call("DELETE", f"/v1/messages/{sent['id']}/content", status=204)
    equal([item["entity"] for item in Consumer(api).ask()["data"]], ["e2", "e3"], "what was forgotten is not told")
    equal(api.get("/v1/jobs?queue=webhooks")["jobs"], [], "deliveries")


@story
def pages_follow_one_another(ruche):
    """Whatever the limit, the same messages in the same order; also those of one commit, of many, and large ones."""
    api = ruche.api
    make(api)
    send(api, *range(10))
    for n in range(10, 20):
        send(api, n)
    for n in range(20, 24):
        send(api, {"n": n, "text": "x" * 1_500_000})
    numbers = lambda told: [body["n"] if isinstance(body, dict) else body for body in told]
    for limit in (1, 3, 7, 100):
        consumer = Consumer(api)
        while not consumer.ask(limit=limit)["done"]:
            pass
        equal(numbers(consumer.told), list(range(24)), f"by {limit}")
        equal((consumer.ask(limit=limit)["data"], consumer.gap), ([], False), "behind the last")
    check(len(Consumer(api).ask()["data"]) < 24, "a page has a bound in bytes")


@story
def waiting_is_answered_at_once(ruche):
    """A waiting consumer hears of a message when it is committed, of others' messages not at all; two of them hear the same."""
    api = ruche.api
    make(api, types=["wanted"])
    told = {}

    def wait(name):
        consumer = Consumer(api.again())
        consumer.ask(wait_ms=60000)
        told[name] = consumer.told

    threads = [threading.Thread(target=wait, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for n in range(20):
        api.post("/v1/messages", {"type": "other", "payload": n})
    api.post("/v1/messages", {"type": "wanted", "payload": "this"})
    for thread in threads:
        thread.join()
    equal(told, {"one": ["this"], "two": ["this"]}, "told")
    equal(Consumer(api).ask(wait_ms=50)["data"] != [], True, "one that comes later finds it")
    consumer = Consumer(api)
    consumer.ask()
    equal(consumer.ask(wait_ms=50)["data"], [], "the end of a wait")


@story
def nothing_is_missed_and_nothing_is_told_twice():
    """Many senders at once, so that messages are committed in another order than they were made; large ones, which are staged first; the daemon
    killed in between. A consumer that keeps its place has each message that was acknowledged exactly once."""
    with Daemon() as daemon:
        make(daemon.api)
        acknowledged, stop, over = set(), threading.Event(), threading.Event()
        lock = threading.Lock()

        def sender(number):
            client, dice, n = daemon.api.again(), random.Random(number), 0
            while not stop.is_set():
                name = f"{number}-{n}"
                payload = name if dice.random() < 0.9 else {"n": name, "text": "x" * 300_000}
                try:
                    answer = client.send("POST", "/v1/messages", json.dumps({"type": "note", "key": name, "payload": payload}).encode(), None)
                except BROKEN:
                    client.close()
                    time.sleep(0.005)  # the daemon is being started
                    continue
                if answer.status in (200, 201):
                    with lock:
                        acknowledged.add(name)
                    n += 1

        consumer = Consumer(daemon.api.again())

        def reader():
            while True:
                last = over.is_set()
                try:
                    if consumer.ask(limit=random.choice((1, 5, 100)), wait_ms=200)["done"] and last:
                        return
                except BROKEN:
                    consumer.client.close()
                    time.sleep(0.005)

        threads = [threading.Thread(target=sender, args=(number,)) for number in range(4)]
        reading = threading.Thread(target=reader)
        for thread in [*threads, reading]:
            thread.start()
        for _ in range(3):
            count = len(acknowledged)
            while len(acknowledged) < count + 60:
                time.sleep(0.005)
            daemon.restart()
        count = len(acknowledged)
        while len(acknowledged) < count + 60:
            time.sleep(0.005)
        stop.set()
        for thread in threads:
            thread.join()
        over.set()
        reading.join()
        told = [body["n"] if isinstance(body, dict) else body for body in consumer.told]
        equal(len(told), len(set(told)), "told twice")
        equal(sorted(acknowledged - set(told)), [], "missed")
        kept, cursor = set(), ""
        while cursor is not None:
            page = daemon.api.get("/v1/messages?limit=1000" + cursor)
            kept |= {message["key"] for message in page["messages"]}
            cursor = "&cursor=" + page["next_cursor"] if page["next_cursor"] else None
        equal(set(told), kept, "told and kept")
        equal(consumer.gap, False, "gap")


@story
def old_places_tell_of_a_gap():
    """A place that is older than messages are kept is answered with gap, and with what there is."""
    with Daemon("--webhooks-message-age-ms", "1m") as daemon:
        api = daemon.api
        make(api)
        send(api, "kept")
        consumer = Consumer(api)
        consumer.ask()
        equal(consumer.gap, False, "fresh")
        seq, _, at = consumer.next.split(".")
        consumer.next = f"{seq}..{int(at) - 61000}"
        equal(consumer.ask()["gap"], True, "61 s old")
        consumer.next = f"{int(seq) + 1000}..{at}"  # of a store of which an older backup was put back
        answer = consumer.ask()
        equal((answer["gap"], [item["body"] for item in answer["data"]]), (True, ["kept"]), "of another life")
        for bad in ("x", "1", "1.2", "1.2.3", "-1..1", "1..", "99999999999999999999..1"):
            api.refused("GET", f"/v1/endpoints/consumer/poll?after={bad}", field="after")


@story
def a_token_may_ask_and_nothing_else(ruche):
    """Scope poll, limited to endpoints; other kinds, paused ones and those that are not there are refused."""
    api = ruche.api
    make(api)
    make(api, "other")
    send(api, 1)
    token = api.post("/v1/tokens", {"name": "c", "scopes": ["poll"], "queues": ["consumer"]})["token"]
    limited = api.again(token=token)
    equal(Consumer(limited).ask()["data"][0]["body"], 1, "its own")
    limited.refused("GET", "/v1/endpoints/other/poll", status=403, code="forbidden")
    limited.refused("GET", "/v1/endpoints/consumer/poll?namespace=team", status=403, code="forbidden")
    limited.refused("GET", "/v1/endpoints/consumer", status=403, code="forbidden")
    limited.refused("GET", "/v1/messages", status=403, code="forbidden")
    api.again(token=api.post("/v1/tokens", {"name": "r", "scopes": ["read"]})["token"]).refused("GET", "/v1/endpoints/consumer/poll", status=403, code="forbidden")
    with Receiver(200) as receiver:
        api.put("/v1/endpoints/pushed", {"url": "https://crm.example.org/", "types": []})
        check(receiver.received == [], "nobody is called")
    api.refused("GET", "/v1/endpoints/pushed/poll", status=409, code="illegal_state")
    api.refused("GET", "/v1/endpoints/none/poll", status=404, code="endpoint_not_found")
    api.post("/v1/endpoints/consumer/pause")
    api.refused("GET", "/v1/endpoints/consumer/poll", status=409, code="illegal_state")
    send(api, 2)
    api.post("/v1/endpoints/consumer/resume")
    equal([item["body"] for item in Consumer(limited).ask()["data"]], [1, 2], "what came meanwhile")
    for settings, field in (({"format": "form"}, "format"), ({"format": "none"}, "format"), ({"url": "https://x.example.org/"}, "url"), ({"batch": {"max": 5}}, "batch")):
        api.refused("PUT", "/v1/endpoints/bad", {"kind": "poll", **settings}, field=field)


@story
def from_the_command_line(ruche):
    """`ruche endpoints set` makes one; a waiting consumer is sent home when the daemon stops."""
    check(b"asks by itself" in ruche.cli("endpoints", "set", "consumer", "kind=poll", 'types=["*"]'), "nobody is called")
    equal(ruche.api.get("/v1/endpoints/consumer")["settings"]["kind"], "poll", "its kind")
    check(b"consumer" in ruche.cli("endpoints", "list"), "listed")
    check(b"nobody is called" in ruche.cli("endpoints", "test", "consumer"), "a test is there for it")
    check(b"unless one asks by itself" in ruche.cli("send", "a.b", "1"), "of those that are called none wants it")
    consumer = Consumer(ruche.api.again())
    equal([message["type"] for message in consumer.ask()["data"]], ["endpoint.test", "a.b"], "told")
    answers = []
    thread = threading.Thread(target=lambda: answers.append(consumer.ask(wait_ms=60000)))
    thread.start()
    while "ruche_api_calls 2" not in ruche.api.call("GET", "/metrics").body.decode():
        pass
    ruche.stop()
    thread.join()
    equal(answers[0]["data"], [], "at the end")


if __name__ == "__main__":
    run()
