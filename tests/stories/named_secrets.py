"""Named secrets: a watched file, credentials, the environment; and a canary that must be found nowhere else."""

import json
import os
import signal
import subprocess
import tempfile
import time

import harness
from harness import DEADLINE_S, Daemon, check, equal, run, story

CANARY = "canary-" + "7f3d0c9ab2e1"  # every value below holds it
ENVIRONMENT_CANARY = CANARY + "-of-the-environment"


def until(holds, what):
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        check(time.monotonic() < deadline, f"it never came that {what}")
        time.sleep(0.01)


def replace(path, text):
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path + ".new", 0o600)
    os.rename(path + ".new", path)


def dumped_memory(pid):
    """What a core dump would hold: every readable mapping that is not marked otherwise. AddressSanitizer, which is known by its huge
    tables, keeps a copy of the environment of its own: the last one is for builds without it."""
    with open(f"/proc/{pid}/smaps", encoding="utf-8") as smaps:
        lines = smaps.read().split("\n")
    found, place, resident, sanitized = [], None, 0, False
    for line in lines:
        words = line.split()
        if words and "-" in words[0] and not words[0].endswith(":"):
            place = [int(half, 16) for half in words[0].split("-")]
        elif line.startswith("Rss:"):
            resident = int(words[1])
            sanitized = sanitized or place[1] - place[0] > 1 << 40
        elif line.startswith("VmFlags:") and "rd" in words and "dd" not in words and resident:
            found.append(place)
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for begin, end in found:
            if end - begin < 1 << 29:  # a sanitizer's own tables are larger
                try:
                    memory.seek(begin)
                    yield memory.read(end - begin).replace(ENVIRONMENT_CANARY.encode(), b"" if sanitized else CANARY.encode())
                except OSError:
                    pass  # the kernel's own pages


def files_below(directory):
    for where, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(where, name)
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    yield path, file.read()


def doctor(store, env):
    """What it says, whatever it finds."""
    command = [harness.options.ruche, "doctor", "--json", "--ephemeral", "--store", store]
    return subprocess.run(command, capture_output=True, env={**os.environ, **env}, timeout=DEADLINE_S, check=False).stdout


def doctor_findings(store, env):
    return [found["result"] for found in json.loads(doctor(store, env))["checks"] if found["name"] == "secrets"]


def watched(directory, text, *arguments, env=None):
    path = os.path.join(directory, "secrets.json")
    replace(path, text)
    return path, Daemon("--secrets-path", path, *arguments, env=env)


@story
def a_change_needs_no_restart():
    """A new file is read within a look, a broken one keeps the old one and is told once, and the next good one is told too."""
    with tempfile.TemporaryDirectory(prefix="ruche-secrets-") as directory:
        path, daemon = watched(directory, '{"crm": "one"}')
        with daemon:
            replace(path, '{"crm": "one", "other": ["two", "three"]}')
            until(lambda: '"secrets":2' in daemon.log(), "the change was read")
            replace(path, '{"crm": "' + CANARY)
            until(lambda: "secrets.refused" in daemon.log(), "the broken file was refused")
            replace(path, '{"crm": "one", "other": "two", "third": "three"}')
            until(lambda: '"secrets":3' in daemon.log(), "the good one was read")
            equal(daemon.log().count("secrets.refused"), 1, "refusals told")
            check(CANARY not in daemon.log(), "the log tells what stood in a broken file")


@story
def a_bad_place_is_no_start():
    """A daemon does not start on secrets that it cannot read, makes no store then, and doctor says the same."""
    with tempfile.TemporaryDirectory(prefix="ruche-secrets-") as directory:
        path = os.path.join(directory, "secrets.json")
        replace(path, '{"crm": 1}')
        store = os.path.join(directory, "s.db")
        command = [harness.options.ruche, "serve", "--ephemeral", "--store", store, "--listen", f"unix:{directory}/s", "--secrets-path", path]
        done = subprocess.run(command, capture_output=True, timeout=DEADLINE_S, check=False)
        equal(done.returncode, 78, f"exit code: {done.stderr!r}")
        check(b"crm: Expected a string" in done.stderr, f"what it says: {done.stderr!r}")
        check(not os.path.exists(store), "a store was made")
        env = {"RUCHE_SECRETS_PATH": path, "RUCHE_SECRET_CRM": "x"}
        equal(doctor_findings(store, env), ["fail"], "doctor's word")
        replace(path, '{"crm": "x"}')
        os.chmod(path, 0o644)
        equal(doctor_findings(store, env), ["warn", "warn"], "an open file, and the environment")


@story
def a_canary_is_found_nowhere():
    """Values of all places stand in no log, answer, metric, page of the store, environment or core dump."""
    with tempfile.TemporaryDirectory(prefix="ruche-secrets-") as directory:
        credentials = os.path.join(directory, "credentials")
        os.mkdir(credentials)
        with open(os.path.join(credentials, "secret.crm"), "w", encoding="utf-8") as file:
            file.write("credential " + CANARY)
        text = json.dumps({"file": CANARY, "escaped": [CANARY + "\n", CANARY], "billing/crm": CANARY})
        path, daemon = watched(directory, text, "--core-dumps", "--log-level", "debug", env={"CREDENTIALS_DIRECTORY": credentials, "RUCHE_SECRET_CRM": ENVIRONMENT_CANARY})
        with daemon:
            api = daemon.api
            uid = api.enqueue("mail", {"x": 1})["uid"]
            answers = [api.call("GET", where).body for where in (f"/v1/jobs/{uid}", "/v1/queues", "/v1/stats", "/metrics", "/v1/openapi.json", "/readyz?verbose")]
            replace(path, text.replace("file", "changed"))
            until(lambda: "secrets.read" in daemon.log(), "the change was read")
            replace(path, text[:-5])
            until(lambda: "secrets.refused" in daemon.log(), "the broken file was refused")
            daemon.process.send_signal(signal.SIGHUP)
            until(lambda: "reload.done" in daemon.log(), "it reloaded")
            answers.append(daemon.cli("config", "print", "--secrets-path", path, env={"RUCHE_SECRET_CRM": ENVIRONMENT_CANARY}))
            answers.append(doctor(daemon.store, {"RUCHE_SECRET_CRM": ENVIRONMENT_CANARY, "RUCHE_SECRETS_PATH": path}))
            check(all(CANARY.encode() not in answer for answer in answers), "an answer tells a secret")
            with open(f"/proc/{daemon.process.pid}/environ", "rb") as environ:
                kept = environ.read()
            check(b"RUCHE_SECRET_CRM=" in kept and CANARY.encode() not in kept, "the environment still tells it")
            blocks = list(dumped_memory(daemon.process.pid))
            check(any(daemon.token.encode() in block for block in blocks), "the reading of memory finds nothing at all")
            check(not any(CANARY.encode() in block for block in blocks), "a core dump would tell a secret")
            for name, content in files_below(daemon.directory):
                check(CANARY.encode() not in content, f"{name} tells a secret")
            daemon.stop()
            check(CANARY not in daemon.log(), "the log tells a secret")


@story
def no_core_dumps_by_default():
    """The kernel is told to make none."""
    with Daemon() as daemon:
        with open(f"/proc/{daemon.process.pid}/limits", encoding="utf-8") as limits:
            words = next(line for line in limits if line.startswith("Max core file size")).split()
        equal(words[4:6], ["0", "0"], "limits of a core file")


if __name__ == "__main__":
    run()
