"""demo: a job's journey. An action sheet is enqueued for a third party that answers 503, then nothing at all, then 200; the daemon
is killed with SIGKILL between two attempts and started again. Prints what happens as it happens, then the job's timeline; ends with
exit code 0 only if the third party got exactly the right bytes each time and the job is completed. Then one message for three third parties
(demo_webhooks.py): their signatures must be good, too. Standard library only."""

import argparse
import json
import os
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from http.client import HTTPConnection

import demo_webhooks

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SHEET = os.path.join(ROOT, "examples", "fiche-action.json")
FORMAT = os.path.join(ROOT, "examples", "formats", "communs.jq")
QUEUE, IDENTITY = "fiches", "FA-2026-0417"
TIMEOUT_MS, RETRY_MS = 2000, 1500
DEADLINE_S = 60
BOLD, DIM, GREEN, RED, PLAIN = ("\033[1m", "\033[2m", "\033[32m", "\033[31m", "\033[0m") if sys.stdout.isatty() and not os.environ.get("NO_COLOR") else ("",) * 5


class Failed(Exception):
    """What the demo shows did not happen; the reason is printed."""


class Demo:
    def __init__(self, ruche):
        self.ruche = os.path.abspath(ruche)
        self.directory = tempfile.mkdtemp(prefix="ruche-demo-", dir="/var/tmp")
        self.store = os.path.join(self.directory, "ruche.db")
        self.bodies = os.path.join(self.directory, "bodies")
        os.mkdir(self.bodies)
        self.holder = socket.socket()  # bound and not listening: nobody else is given the port while the daemon is dead
        self.holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.holder.bind(("127.0.0.1", 0))
        self.port, self.sink_port = self.holder.getsockname()[1], None
        self.token = "rch_" + secrets.token_urlsafe(32)
        self.env = {**os.environ, "RUCHE_URL": f"http://127.0.0.1:{self.port}", "RUCHE_TOKEN": self.token, "NO_COLOR": "1"}
        self.daemon = self.sink = None
        self.begun = time.time()
        self.happened = []  # (seconds, text): what we did ourselves

    def say(self, text):
        print(f"{DIM}{time.time() - self.begun:6.2f} s{PLAIN}  {text}", flush=True)

    def did(self, text):
        self.happened.append((time.time() - self.begun, text))
        self.say(text)

    def command(self, *words):
        """A ruche command, shown as one would type it."""
        self.say(f"{BOLD}$ ruche {' '.join(shown(word) for word in words)}{PLAIN}")
        done = subprocess.run([self.ruche, *words], env=self.env, capture_output=True, timeout=DEADLINE_S, check=False)
        if done.returncode:
            raise Failed(f"ruche {words[0]} ended with {done.returncode}: {done.stderr.decode().strip()}")
        return done.stdout.decode().strip()

    def ask(self, *words):
        done = subprocess.run([self.ruche, *words], env=self.env, capture_output=True, timeout=DEADLINE_S, check=False)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def start_daemon(self):
        log = open(os.path.join(self.directory, "log"), "a", encoding="utf-8")  # noqa: SIM115 the child keeps it
        env = {name: value for name, value in self.env.items() if name != "RUCHE_TOKEN"}
        self.daemon = subprocess.Popen([self.ruche, "serve", "--ephemeral", "--store-path", self.store, "--listen", f"127.0.0.1:{self.port}", "--deliver-allow", "127.0.0.0/8"],
                                       env={**env, "RUCHE_ADMIN_TOKEN": self.token}, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        log.close()
        deadline = time.monotonic() + DEADLINE_S
        while self.ask("queues", "list", "--json") is None:
            if self.daemon.poll() is not None or time.monotonic() > deadline:
                raise Failed("the daemon did not start: " + self.log())
            time.sleep(0.02)

    def log(self):
        with open(os.path.join(self.directory, "log"), encoding="utf-8") as file:
            return file.read()[-2000:]

    def start_sink(self):
        self.sink = subprocess.Popen([self.ruche, "sink", "--listen", "127.0.0.1:0", "--script", "503,hang,200", "--out", self.bodies],
                                     stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        said = self.sink.stdout.readline().decode()
        if "listening" not in said:
            raise Failed("the receiver did not start")
        self.sink_port = int(said.rpartition(":")[2])

    def until(self, what, question):
        deadline = time.monotonic() + DEADLINE_S
        while True:
            answer = question()
            if answer:
                return answer
            if time.monotonic() > deadline:
                raise Failed(f"{what} did not happen within {DEADLINE_S} s")
            time.sleep(0.02)

    def job(self):
        return self.call("GET", f"/v1/queues/{QUEUE}/jobs/{IDENTITY}")

    def run(self):
        self.start_sink()
        self.did("a third party listens; it will answer 503, then nothing at all, then 200")
        self.start_daemon()
        self.did(f"the daemon runs on a fresh store, pid {self.daemon.pid}")
        self.command("queues", "set", QUEUE, "target=http", f"http.url=http://127.0.0.1:{self.sink_port}/fiches", f"http.timeout_ms={TIMEOUT_MS}",
                     "retry.kind=fixed", f"retry.delay_ms={RETRY_MS}", "retry.max_attempts=5", "retry.jitter=none")
        self.say(self.command("enqueue", QUEUE, "--file", SHEET, "--id", IDENTITY))
        self.until("the first attempt", lambda: self.job()["attempts_made"] >= 1)
        self.did("the first attempt failed; the next one is due in a moment")
        self.daemon.send_signal(signal.SIGKILL)
        self.daemon.wait()
        self.did("kill -9: the daemon is dead")
        self.start_daemon()
        self.did(f"the daemon runs again on the same store, pid {self.daemon.pid}")
        self.until("the second attempt", lambda: self.job()["attempts_made"] >= 2)
        self.did("the second attempt timed out")
        self.until("the end of the job", lambda: self.job()["finished_at"])
        job = self.job()
        self.did(f"the job is {job['state']}")
        return job

    def call(self, method, path, body=None):
        connection = HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S)
        connection.request(method, path, None if body is None else json.dumps(body), headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        if answer.status >= 300:
            raise Failed(f"{method} {path}: {answer.status} {text}")
        return json.loads(text)

    def timeline(self, job):
        entries = list(self.happened)
        for attempt in self.call("GET", f"/v1/jobs/{job['uid']}/attempts")["attempts"]:
            exchange = attempt["exchange"] or {}
            outcome = f"HTTP {exchange['status']}" if exchange.get("status") else (attempt["error"] or {}).get("message", exchange.get("class"))
            after = f"next: {attempt['next']}" + (f", due {clock(attempt['retry_at'])}" if attempt.get("retry_at") else "")
            entries.append((seconds(attempt["started_at"]) - self.begun,
                            f"{BOLD}attempt {attempt['number']}{PLAIN} at {clock(attempt['started_at'])}, {attempt['took_ms']} ms: {outcome.rstrip('.')}; {after}"))
        print(f"\n{BOLD}the job's timeline{PLAIN}: {job['uid']}, {job['queue']}/{job['id']}")
        for at, text in sorted(entries):
            print(f"{DIM}{at:6.2f} s{PLAIN}  {text}")
        print()

    def verdict(self, job):
        with open(SHEET, "rb") as file:
            sheet = file.read().strip()
        received = []
        for name in sorted(os.listdir(self.bodies)):
            with open(os.path.join(self.bodies, name), "rb") as file:
                received.append(file.read())
        expect("the job is completed", job["state"] == "completed", job["state"])
        expect("it took three attempts", job["attempts_started"] == 3, job["attempts_started"])
        expect("the third party got three requests", len(received) == 3, len(received))
        expect(f"each with the sheet's {len(sheet)} bytes, exactly", all(body == sheet for body in received), [len(body) for body in received])

    def close(self):
        for process in (self.daemon, self.sink):
            if process and process.poll() is None:
                process.terminate()
                try:
                    process.wait(15)
                except subprocess.TimeoutExpired:
                    process.kill()
        if self.sink:
            self.sink.stdout.close()
        self.holder.close()
        shutil.rmtree(self.directory, ignore_errors=True)


def expect(text, holds, found):
    print(f"{GREEN if holds else RED}{'ok  ' if holds else 'FAIL'}{PLAIN}  {text}" + ("" if holds else f" (found: {found})"), flush=True)
    if not holds:
        raise Failed(text)


def shown(word):
    at = word.startswith("@")
    return "@" * at + os.path.relpath(word[at:]) if os.path.isfile(word[at:]) else shlex.quote(word)


def seconds(instant):
    return datetime.fromisoformat(instant.replace("Z", "+00:00")).timestamp()


def clock(instant):
    return instant[11:23]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--ruche", default=os.path.join(ROOT, "build", "ruche"))
    demo = Demo(parser.parse_args().ruche)
    try:
        job = demo.run()
        demo.timeline(job)
        demo.verdict(job)
        print(f"\n{BOLD}one message, three third parties{PLAIN}")
        deliveries, parties = demo_webhooks.run(demo, SHEET, FORMAT)
        with open(SHEET, encoding="utf-8") as file:
            demo_webhooks.verdict(deliveries, parties, json.load(file), expect)
    except Failed as failure:
        print(f"{RED}the demo failed: {failure}{PLAIN}\n{demo.log() if os.path.exists(os.path.join(demo.directory, 'log')) else ''}", file=sys.stderr)
        return 1
    finally:
        demo.close()
    print(f"{GREEN}nothing was lost.{PLAIN}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
