"""ruche listen: a third party for the moment, which verifies what it is sent and leaves nothing behind."""

import json
import os
import signal
import subprocess
import threading

import harness
from harness import DEADLINE_S, Daemon, check, equal, run, story

LOOPBACK = ("--deliver-allow", "127.0.0.0/8")


class Listener:
    """A `ruche listen` that runs; `lines` grows as it prints."""

    def __init__(self, ruche, *arguments):
        self.ruche = ruche
        env = {**os.environ, "RUCHE_URL": f"unix:{ruche.socket_path}", "RUCHE_TOKEN": ruche.token, "NO_COLOR": "1"}
        self.process = subprocess.Popen([harness.options.ruche, "listen", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
        self.lines, self.errors, self.changed = [], [], threading.Condition()
        self.threads = [threading.Thread(target=self.read, args=pair, daemon=True) for pair in ((self.process.stdout, self.lines), (self.process.stderr, self.errors))]
        for thread in self.threads:
            thread.start()

    def read(self, stream, lines):
        for line in stream:
            with self.changed:
                lines.append(line.decode().rstrip("\n"))
                self.changed.notify_all()

    def __enter__(self):
        self.until(lambda: any(" listens at " in line for line in self.errors))
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def until(self, found):
        with self.changed:
            check(self.changed.wait_for(found, timeout=DEADLINE_S), f"it did not print it: {self.lines} {self.errors}")

    def end(self, number=None):
        """Its exit code, once it was told to end, or ends by itself."""
        if number:
            self.process.send_signal(number)
        code = self.process.wait(timeout=DEADLINE_S)
        for thread in self.threads:
            thread.join()
        return code

    @property
    def heard(self):
        return [json.loads(line) for line in self.lines]


def endpoints(ruche):
    return [one["name"] for one in ruche.api.get("/v1/endpoints")["endpoints"]]


@story
def deliveries_are_verified_and_printed():
    """What an endpoint gets, readable, each verified by the endpoint's own secret; nothing is left behind after a signal."""
    with Daemon(*LOOPBACK) as ruche:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with Listener(ruche, "--headers") as listener:
                [name] = endpoints(ruche)
                check(name.startswith("listen-"), name)
                equal([one["name"] for one in ruche.api.get("/v1/secrets")["secrets"]], [f"endpoint/{name}"], "a secret of its own")
                sent = ruche.cli("send", "fiche.updated", '{"title": "Bees", "tags": ["a", {"b": 1}], "steer": "\\u001b[2J", "none": {}}').split()[0].decode()
                listener.until(lambda: "    }" in listener.lines)
                text = "\n".join(listener.lines)
                check(f"  {sent}  fiche.updated  attempt 1  signature verified  → 200\n" in text, text)
                check(f"    webhook-id: {sent}\n" in text and "    webhook-signature: v1," in text, f"headers: {text}")
                check('\n      "data": {\n        "title": "Bees",\n        "tags": [\n          "a",\n          {\n            "b": 1\n          }\n        ],\n' in text, text)
                check("\x1b" not in text and '"none": {}' in text, text)
                equal(listener.end(number), 0, "exit code")
                check("1 delivery, 1 of them verified" in listener.errors[-1], listener.errors)
            equal((endpoints(ruche), ruche.api.get("/v1/secrets")["secrets"]), ([], []), "what is left")


@story
def what_is_listened_to():
    """By types, channels, filter and format; so many deliveries; answers by script."""
    with Daemon(*LOOPBACK) as ruche:
        ruche.api.put("/v1/formats/titles", {"program": ".payload.title"})
        with Listener(ruche, "--types", "fiche.*,note", "--types", "made", "--channel", "paris", "--filter", '{"open": true}', "--format", "titles", "--count", "3", "--json") as listener:
            for type, channels, payload in (("other", [], {"open": True, "title": 0}), ("note", ["lyon"], {"open": True, "title": 1}), ("note", [], {"open": False, "title": 2}),
                                            ("note", ["paris"], {"open": True, "title": 3}), ("fiche.made", [], {"open": True, "title": 4}), ("made", [], {"open": True, "title": "5"})):
                ruche.api.post("/v1/messages", {"type": type, "channels": channels, "payload": payload})
            equal(listener.end(), 0, "exit code")
            equal(sorted(str(one["body"]) for one in listener.heard), ["3", "4", "5"], "what was heard")
            check(all(one["verified"] and one["attempt"] == "1" and one["content_type"] == "application/json" for one in listener.heard), listener.heard)
        with Listener(ruche, "--script", "503,200", "--count", "2", "--json") as listener:
            ruche.cli("send", "note")
            equal(listener.end(), 0, "exit code")
            first, second = listener.heard
            equal((first["id"], first["attempt"], second["attempt"]), (second["id"], "1", "2"), "again after 503")
        equal(endpoints(ruche), [], "what is left")


@story
def somebody_else_s_call_is_not_verified():
    """Whoever calls without the secret is told apart, and the exit code says so."""
    with Daemon(*LOOPBACK) as ruche, Listener(ruche, "--listen", "127.0.0.1:0") as listener:
        url = ruche.api.get("/v1/endpoints")["endpoints"][0]["settings"]["url"]
        subprocess.run(["curl", "-s", "-o", "/dev/null", url, "-H", "webhook-id: msg_1", "-H", "webhook-timestamp: 1", "-H", "webhook-signature: v1,AAAA", "--json", '{"type": "\\u009b2J\\u007f"}'],
                       check=True, timeout=DEADLINE_S)
        listener.until(lambda: any("NOT VERIFIED: " in line for line in listener.lines))
        equal(listener.end(signal.SIGTERM), 1, "exit code")
        check("  msg_1  ?2J?  attempt" in listener.lines[0], listener.lines)
        check(not any("\x7f" in line or "\x9b" in line for line in listener.lines), listener.lines)


@story
def what_it_needs_is_said():
    """A range that is not allowed, words that make no sense, a daemon that is gone: said, and nothing is left."""
    with Daemon() as ruche:
        ruche.cli("listen", status=65)
        check("--deliver-allow 127.0.0.0/8" in ruche.cli_errors and "ruche dev" in ruche.cli_errors, ruche.cli_errors)
        for words, status in ((("x",), 64), (("--types", "no types"), 65), (("--format", "nowhere"), 65), (("--filter", "{"), 64), (("--filter", '{"a": {"$no": 1}}'), 65),
                              (("--listen", "unix:/tmp/x"), 64), (("--listen", "nowhere"), 64), (("--script", "what"), 64), (("--count", "0"), 64)):
            ruche.cli("listen", *words, status=status)
        equal(endpoints(ruche), [], "what is left")
        readers = ruche.api.post("/v1/tokens", {"name": "reader", "scopes": ["read"]})["token"]
        ruche.cli("listen", status=77, env={"RUCHE_TOKEN": readers})
    with Daemon(*LOOPBACK) as ruche, Listener(ruche) as listener:
        [name] = endpoints(ruche)
        ruche.kill()
        check(listener.end(signal.SIGINT) != 0, "the daemon is gone")
        check(f"ruche endpoints delete --yes {name}" in listener.errors[-1], listener.errors)
        ruche.start()
        ruche.cli("endpoints", "delete", "--yes", name)


if __name__ == "__main__":
    run()
