"""kill -9 at every step of a delivery. A third party keeps what it was sent: the same webhook-id comes again, nothing is lost, and nothing is sent after a
success was recorded."""

import os
import random
import threading
import time
from collections import Counter

from harness import DEADLINE_S, Daemon, Receiver, Skip, check, equal, run, story, until

QUICK = {"kind": "fixed", "delay_ms": 5, "max_attempts": 5, "jitter": "none"}
ALLOW = ("--deliver-allow", "127.0.0.0/8")


def endpoint(api, third, name="crm", **settings):
    api.put(f"/v1/endpoints/{name}", {"url": f"http://127.0.0.1:{third.port}/{name}", "types": ["*"], "retry": QUICK, **settings})


def send(api, **fields):
    return api.post("/v1/messages", {"type": "fiche.updated", "payload": {"a": 1}, **fields}, status=201)


def delivery(api, message):
    [job] = [job for job in api.get("/v1/jobs?queue=webhooks&limit=500")["jobs"] if job["delivery"]["message"] == message["id"]]
    return job


def ids(third):
    return [received.headers["webhook-id"] for received in third.received]


def answered(status, body=b'{"id":"E1"}'):
    return f"HTTP/1.1 {status} Scripted\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def nothing_more(ruche, third, message, calls):
    """Another message goes all the way, also after one more crash: of the first one nobody heard again."""
    for again in (False, True):
        if again:
            ruche.restart()
        equal(ruche.api.wait(delivery(ruche.api, send(ruche.api))["uid"])["state"], "completed", "the message after it")
    equal(Counter(ids(third))[message["id"]], calls, "calls of the first message")


def of_one(api, name):
    """When each of the endpoint's deliveries is due, by uid."""
    return {job["uid"]: job["due_at"] for job in api.get("/v1/jobs?queue=webhooks")["jobs"] if job["delivery"]["endpoint"] == name}


@story
def before_the_call():
    """Acknowledged, and killed while it is held, while its secret is missing, while it waits for another one, and while it waits for its next attempt."""
    with Daemon(*ALLOW) as ruche, Receiver(200) as third, Receiver("hang", 200) as slow, Receiver(503, 503, 200) as moody:
        api = ruche.api
        endpoint(api, third, "held")
        api.post("/v1/endpoints/held/pause")
        api.put("/v1/secrets/later", {"value": "of poor"})
        endpoint(api, third, "poor", auth={"kind": "bearer", "secret": "later"})
        api.delete("/v1/secrets/later")
        endpoint(api, slow, "slow", concurrency=1)
        endpoint(api, moody, "moody", retry={**QUICK, "delay_ms": 3600000})
        messages = [send(api), send(api)]
        slow.wait(1)
        until(lambda: api.get("/v1/endpoints/moody")["delayed"] == 2, "both had failed")
        until(lambda: all(api.get(f"/v1/jobs/{uid}/attempts")["attempts"] for uid in of_one(api, "poor")), "the secret was missed")
        due = of_one(api, "moody")
        for _ in range(2):
            ruche.restart()
        api = ruche.api
        equal(len(third.received), 0, "calls to those who were not to be called")
        equal(of_one(api, "moody"), due, "when its next attempts are due")
        api.put("/v1/secrets/later", {"value": "of poor"})
        api.post("/v1/endpoints/held/resume")
        for uid in due:
            api.post(f"/v1/jobs/{uid}/promote")
        jobs = [api.wait(job["uid"]) for job in api.get("/v1/jobs?queue=webhooks")["jobs"]]
        equal(Counter((job["delivery"]["endpoint"], job["state"]) for job in jobs), {(name, "completed"): 2 for name in ("held", "poor", "slow", "moody")}, "deliveries")
        wanted = [message["id"] for message in messages]
        equal(Counter(ids(third)), {one: 2 for one in wanted}, "calls: one of each endpoint")
        equal(set(ids(slow)), set(wanted), "those of the slow one")
        equal(Counter(ids(moody)), {one: 2 for one in wanted}, "calls of the moody one")


@story
def during_the_call():
    """Killed after the request was read, after half of the head of the answer, and after half of its body: sent again with the same id, and no attempt is used up."""
    def half(text):
        def step(client, received):
            client.sendall(text)
            return cut(client)
        return step

    def cut(client):
        waiting.set()
        client.settimeout(DEADLINE_S)
        client.recv(1)  # until the daemon is gone
        return False

    whole, waiting = answered(200), threading.Event()
    script = [half(b""), half(whole[:20]), half(whole[:-5]), 200]
    with Daemon(*ALLOW) as ruche, Receiver(*script) as third:
        endpoint(ruche.api, third, external_id="$.id")
        message = send(ruche.api, entity="f1")
        for number in range(1, 4):
            check(waiting.wait(DEADLINE_S), "the call came")
            waiting.clear()
            equal(delivery(ruche.api, message)["state"], "active", f"during call {number}")
            ruche.restart()
        job = ruche.api.wait(delivery(ruche.api, message)["uid"])
        equal((job["state"], job["attempts_made"]), ("completed", 1), "in the end")
        equal(ids(third), [message["id"]] * 4, "webhook-id")
        bodies = {received.body for received in third.received}
        equal(len(bodies), 1, "bodies")
        nothing_more(ruche, third, message, 4)


class FailingDisk:
    """A daemon whose disk fails in one of the ways when a file is made."""

    def __init__(self):
        library = os.environ.get("RUCHE_FAILING_DISK")
        if not library:
            raise Skip("RUCHE_FAILING_DISK names no library; meson test sets it")
        self.ruche = Daemon(*ALLOW, env={"LD_PRELOAD": library, "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"})
        self.base = self.ruche.env["RUCHE_FAULT"] = os.path.join(self.ruche.directory, "fault")
        self.seen_ready = threading.Event()
        self.seen_ready.set()

    def answers_and_fails(self, kind):
        def step(client, received):
            check(self.seen_ready.wait(DEADLINE_S), "the daemon was seen ready before its disk fails again")
            with open(f"{self.base}.{kind}", "w", encoding="utf-8"):
                pass
            client.sendall(answered(200))
            return True
        return step

    def crash(self, kind):
        """Killed once it has missed its disk; which is well again when it starts anew."""
        until(lambda: "engine.sick" in self.ruche.log() or "store.full" in self.ruche.log(), f"the disk was missed ({kind})")
        self.seen_ready.clear()
        self.ruche.kill()
        os.unlink(f"{self.base}.{kind}")
        os.unlink(self.ruche.log_path)
        self.ruche.start()
        self.seen_ready.set()


@story
def after_the_answer_before_the_commit():
    """The disk fails just when the 200 is sent, so the success is not recorded: after the crash it is sent again with the same id, and then never more."""
    disk, kinds = FailingDisk(), ("write", "full", "write")
    with disk.ruche as ruche, Receiver(*[disk.answers_and_fails(kind) for kind in kinds], 200) as third:
        endpoint(ruche.api, third, external_id="$.id")
        message = send(ruche.api, entity="f1")
        for number, kind in enumerate(kinds, 1):
            third.wait(number)
            disk.crash(kind)
        job = ruche.api.wait(delivery(ruche.api, message)["uid"])
        equal((job["state"], job["attempts_made"]), ("completed", 1), "in the end")
        equal(ids(third), [message["id"]] * 4, "webhook-id")
        nothing_more(ruche, third, message, 4)


@story
def when_nobody_knows_of_the_commit():
    """The success was written and could not be synced. After the crash the disk has it or not; what counts is what the daemon finds there: it is sent again, or it is not."""
    disk = FailingDisk()
    with disk.ruche as ruche, Receiver(disk.answers_and_fails("sync"), 200) as third:
        endpoint(ruche.api, third)
        message = send(ruche.api)
        third.wait(1)
        disk.crash("sync")
        found = delivery(ruche.api, message)["state"]
        job = ruche.api.wait(delivery(ruche.api, message)["uid"])
        equal((job["state"], job["attempts_made"]), ("completed", 1), "in the end")
        check(ids(third) == [message["id"]] * 2 or found == "completed", f"{len(third.received)} calls although it was {found}")
        nothing_more(ruche, third, message, len(third.received))


@story
def after_the_commit():
    """A recorded success is neither sent again nor forgotten: what the third party answered is known to the next message."""
    with Daemon(*ALLOW) as ruche, Receiver(answered_with_id, 200) as third:
        endpoint(ruche.api, third, order="latest", update_url=f"http://127.0.0.1:{third.port}/crm/{{external_id}}", update_method="PUT",
                 retract={"method": "DELETE", "url": f"http://127.0.0.1:{third.port}/crm/{{external_id}}"})
        first = send(ruche.api, entity="f1")
        equal(ruche.api.wait(delivery(ruche.api, first)["uid"])["state"], "completed", "the first")
        ruche.restart()
        second = send(ruche.api, entity="f1")
        equal(ruche.api.wait(delivery(ruche.api, second)["uid"])["state"], "completed", "the second")
        ruche.restart()
        gone = send(ruche.api, entity="f1", deleted=True)
        equal(ruche.api.wait(delivery(ruche.api, gone)["uid"])["state"], "completed", "the deletion")
        ruche.restart()
        never = send(ruche.api, entity="f1", deleted=True)
        equal(ruche.api.wait(delivery(ruche.api, never)["uid"])["outcome"], "filtered", "deleted already")
        equal([(received.method, received.path) for received in third.received], [("POST", "/crm"), ("PUT", "/crm/E1"), ("DELETE", "/crm/E1")], "calls")
        equal(ids(third), [first["id"], second["id"], gone["id"]], "webhook-id")


def answered_with_id(client, received):
    client.sendall(answered(201))
    return True


class Ledger:
    """What three third parties were sent, and in which order it happened with what the daemon said of it. One always answers, one fails half of the time, one now and
    then says nothing. `bell` rings at the call with the number that was asked for, before it is answered or after."""

    def __init__(self, seed):
        self.dice, self.lock = random.Random(seed), threading.Lock()
        self.calls, self.recorded, self.after = Counter(), set(), []
        self.heard, self.ring_at, self.bell = 0, 0, threading.Event()
        self.third = Receiver(self.answer)
        self.port = self.third.port

    def answer(self, client, received):
        with self.lock:
            pair = (received.headers["webhook-id"], received.path[1:])
            self.calls[pair] += 1
            if pair in self.recorded:
                self.after.append(pair)
            self.heard += 1
            rings, early, luck = self.heard == self.ring_at, self.dice.random() < 0.5, self.dice.random()
        if rings and early:
            self.bell.set()
        try:
            return self.say(client, received.path, luck)
        finally:
            if rings:
                self.bell.set()

    def say(self, client, path, luck):
        if path == "/silent" and luck < 0.1:
            return False
        client.sendall(answered(503 if path == "/moody" and luck < 0.5 else 200))
        return True

    def ring(self, calls):
        with self.lock:
            self.bell.clear()
            self.ring_at = self.heard + calls

    def record(self, api):
        """What is recorded as a success from now on may not be sent again."""
        cursor = ""
        while cursor is not None:
            page = api.get("/v1/jobs?queue=webhooks&state=completed&limit=500" + (f"&cursor={cursor}" if cursor else ""))
            with self.lock:
                self.recorded |= {(job["delivery"]["message"], job["delivery"]["endpoint"]) for job in page["jobs"]}
            cursor = page["next_cursor"]


@story
def anywhere_under_load():
    """Thirty kills at calls chosen by dice, before and after answers, among messages that come all the time."""
    ledger = Ledger(417)
    with Daemon(*ALLOW) as ruche, ledger.third:
        for name in ("healthy", "moody", "silent"):
            endpoint(ruche.api, ledger, name, retry={**QUICK, "max_attempts": 1000}, breaker={"failures": 1000000}, disable_after_ms=0)
        acknowledged, number = set(), 0
        for _ in range(30):
            ledger.ring(ledger.dice.randrange(1, 60))
            for _ in range(3):
                sent = ruche.api.post("/v1/messages", {"messages": [{"type": "note", "key": f"k{number + at}", "payload": at} for at in range(10)]})
                acknowledged |= {one["id"] for one in sent["results"]}
                number += 10
            check(ledger.bell.wait(DEADLINE_S), "the call came")
            ruche.kill()
            ledger.third.hear_out()
            ruche.start()
            ledger.record(ruche.api)
        until(lambda: ruche.api.states("webhooks")["completed"] == 3 * number, "all was delivered")
        ledger.record(ruche.api)
        wanted = {(one, name) for one in acknowledged for name in ("healthy", "moody", "silent")}
        equal(len(acknowledged), number, "messages")
        equal(sorted(ledger.recorded ^ wanted), [], "recorded successes that are missing, or too many")
        equal(sorted(set(ledger.calls) ^ wanted), [], "what the third parties did not hear of, or should not have")
        equal(ledger.after, [], "sent after a success was recorded")
        once = sum(count == 1 for (_, name), count in ledger.calls.items() if name == "healthy")
        check(once > number // 2, f"only {once} of {number} came once to the healthy one")
        print(f"      {number} messages, {ledger.heard} calls, 30 kills; {number - once} came more than once to the healthy one")


@story
def while_it_spreads():
    """Killed while a message's deliveries are being made, again and again: each endpoint has it once, and is called for it."""
    endpoints, rounds = 600, 6
    with Daemon(*ALLOW) as ruche, Receiver(200) as third:
        for number in range(endpoints):
            endpoint(ruche.api, third, f"e{number}", sign={"kind": "none"})
        messages = []
        for _ in range(rounds):
            messages.append(ruche.api.post("/v1/messages", {"type": "wide", "payload": 1}, status=201)["id"])
            ruche.restart()
        for message in messages:
            until(lambda one=message: not ruche.api.get(f"/v1/messages/{one}")["expanding"], "it was spread")
            equal(ruche.api.get(f"/v1/messages/{message}")["deliveries"], endpoints, "deliveries")
        until(lambda: ruche.api.get("/v1/queues/webhooks")["states"]["completed"] == rounds * endpoints, "all was delivered")
        heard = Counter((received.headers["webhook-id"], received.path) for received in third.received)
        equal(len(heard), rounds * endpoints, "pairs that were called")
        equal({one for one, _ in heard}, set(messages), "messages")


if __name__ == "__main__":
    run()
