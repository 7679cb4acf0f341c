"""A signing secret is rotated while deliveries go on: nobody refuses one of them, neither who takes the new key at once nor who keeps the old one to the end."""

import base64
import hashlib
import hmac
import json
import os
import tempfile
import threading
import time

from harness import DEADLINE_S, Daemon, Receiver, check, equal, run, story, until

ROTATIONS = 4
BATCH, UNDER_WAY, EACH_STEP = 10, 200, 40
QUICK = {"kind": "fixed", "delay_ms": 5, "max_attempts": 50, "jitter": "none"}


def made_key(number):
    return hashlib.sha256(b"key %d" % number).digest()


def text_of(key):
    return "whsec_" + base64.b64encode(key).decode()


class Party:
    """A third party with one key at a time, which refuses (401) what is not signed by it. Each seventh call meets a bad day (503), so attempts are repeated, too."""

    def __init__(self, key):
        self.key, self.calls, self.refused, self.signatures, self.arrived = key, 0, [], 0, set()
        self.receiver = Receiver(self.answer)

    def answer(self, client, received):
        self.calls += 1
        key, head = self.key, received.headers
        signed = f"{head['webhook-id']}.{head['webhook-timestamp']}.".encode() + received.body
        given = head["webhook-signature"].split(" ")
        self.signatures = len(given)
        ours = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        number = json.loads(received.body)["data"]["n"]
        if ours not in given:
            self.refused.append(number)
            status = b"401 Refused"
        elif self.calls % 7 == 0:
            status = b"503 Later"
        else:
            self.arrived.add(number)
            status = b"200 OK"
        client.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")
        return True


class Load:
    """Messages without an end until it is told to stop; never more than UNDER_WAY that have not arrived at both."""

    def __init__(self, api, parties):
        self.api, self.parties = api.again(), parties
        self.posted, self.fault, self.stopping = 0, None, threading.Event()
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def arrived(self):
        return min(len(party.arrived) for party in self.parties)

    def work(self):
        try:
            while not self.stopping.is_set():
                if self.posted - self.arrived() > UNDER_WAY:
                    time.sleep(0.001)
                    continue
                numbers = range(self.posted, self.posted + BATCH)
                self.api.post("/v1/messages", {"messages": [{"type": "note", "payload": {"n": number}} for number in numbers]})
                self.posted += BATCH
        except Exception as problem:  # noqa: BLE001 told by the story's own thread
            self.fault = problem

    def drained(self, what):
        """All that was posted until now has arrived at both, and more besides: the load goes on."""
        posted = self.posted + EACH_STEP
        until(lambda: self.fault or all(len(party.arrived) >= posted and party.arrived.issuperset(range(posted)) for party in self.parties), what)
        if self.fault:
            raise self.fault

    def stop(self):
        self.stopping.set()
        self.thread.join(DEADLINE_S)
        posted = self.posted
        until(lambda: all(len(party.arrived) == posted for party in self.parties), "everything arrived")


def rotated(daemon, first, overlap, end):
    """overlap(new, old): from its return on attempts are signed by both; end(new): from its return on by the new one alone."""
    early, late = Party(first), Party(first)
    try:
        for name, party in (("early", early), ("late", late)):
            daemon.api.put(f"/v1/endpoints/{name}", {"url": party.receiver.url, "types": ["*"], "retry": QUICK, "concurrency": 8, "sign": {"secret": "shared"},
                                                     "breaker": {"failures": 1000000}, "disable_after_ms": 0})
        load, old = Load(daemon.api, (early, late)), first
        load.drained("the load began")
        for number in range(1, ROTATIONS + 1):
            new = overlap(number, old) or made_key(number)
            load.drained("what was signed by the old key alone arrived")
            equal((early.signatures, late.signatures), (2, 2), "signatures of a call")
            early.key = new
            load.drained("the overlap went on")
            late.key = new
            end(number, new)
            load.drained("what was signed by both arrived")
            equal((early.signatures, late.signatures), (1, 1), "signatures of a call")
            old = new
        load.stop()
        equal((early.refused, late.refused), ([], []), "refused")
        check(early.calls > len(early.arrived), "no attempt was repeated")
        until(lambda: daemon.api.get("/v1/queues/webhooks")["ended"]["completed"] >= 2 * load.posted, "the last verdicts were committed")
        jobs = daemon.api.get("/v1/queues/webhooks")["ended"]
        equal((jobs["completed"], jobs["failed"]), (2 * load.posted, 0), "deliveries")
        print(f"      {load.posted} messages to two, {early.calls + late.calls} calls, {ROTATIONS} rotations, none refused")
    finally:
        early.receiver.close()
        late.receiver.close()


@story
def a_secret_of_the_watched_file():
    """The file gets the new value in front of the old one, then loses the old one."""
    with tempfile.TemporaryDirectory(prefix="ruche-rotation-") as directory:
        path, writes = os.path.join(directory, "secrets.json"), [0]

        def write(*keys):
            with open(path + ".new", "w", encoding="utf-8") as file:
                json.dump({"shared": [text_of(key) for key in keys]}, file)
            os.chmod(path + ".new", 0o600)
            os.rename(path + ".new", path)

        def change(*keys):
            write(*keys)
            writes[0] += 1
            until(lambda: daemon.log().count("secrets.read") == writes[0], "the change was read")

        write(made_key(0))
        with Daemon("--deliver-allow", "127.0.0.0/8", "--secrets-path", path) as daemon:
            rotated(daemon, made_key(0), lambda number, old: change(made_key(number), old), lambda number, new: change(new))


@story
def a_sealed_secret():
    """`rotate` makes the new one and lets the old one count on; the overlap ends by a PUT, and the last time by itself."""
    def overlap(number, old):
        if number % 2:
            told = api.post("/v1/secrets/shared/rotate", {})
            return base64.b64decode(told["value"].removeprefix("whsec_"))
        api.post("/v1/secrets/shared/rotate", {"value": text_of(made_key(number)), "overlap_ms": 3600000})
        return None

    def end(number, new):
        if number < ROTATIONS:
            api.put("/v1/secrets/shared", {"value": text_of(new)})
        else:
            soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 1))
            api.put("/v1/secrets/shared", {"values": [{"value": text_of(new)}, {"value": text_of(made_key(99)), "until_at": soon}]})
            until(lambda: time.time() > float(time.mktime(time.strptime(soon, "%Y-%m-%dT%H:%M:%SZ")) - time.timezone), "the old one ended")

    with Daemon("--deliver-allow", "127.0.0.0/8") as daemon:
        api = daemon.api
        api.put("/v1/secrets/shared", {"value": text_of(made_key(0))})
        rotated(daemon, made_key(0), overlap, end)


if __name__ == "__main__":
    run()
