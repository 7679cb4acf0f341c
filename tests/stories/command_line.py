"""The command line: every example of every --help is run; work, sink, completion and man pages do what they say."""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from datetime import datetime, timezone

import harness
from harness import ROOT, Daemon, Receiver, Skip, check, equal, run, story, until

FOREVER = ("ruche serve", "ruche dev", "ruche sink --script", "ruche listen", "ruche events --queue")  # run until told to stop
ELSEWHERE = ("ruche backup", "ruche doctor", "ruche config", "ruche restore", "ruche migrate")  # need the store itself: run with its directory


def commands():
    """Names of all commands, from `ruche help`."""
    text = subprocess.run([harness.options.ruche, "help"], capture_output=True, check=True).stdout.decode()
    return re.findall(r"^  ([a-z]+(?: [a-z]+)?)  +\S", text, re.MULTILINE)


def fill(api):
    """What the examples speak of; answers by what names it is there, when ruche gives those."""
    def failed(identity):
        uid = api.enqueue("sheets", {"n": 1}, id=identity, max_attempts=1, priority=0)["uid"]
        job, token = api.claim_one("sheets")
        equal(job["uid"], uid, "the job to fail")
        api.fail(uid, token, "down")

    failed("failed-1")
    failed("failed-2")
    api.enqueue("sheets", {"sheet": 417}, id="sheet-417", group="site-2", name="late", tags=["trial"], dedup={"key": "sheet-417"})
    api.enqueue("sheets", {}, id="delayed-1", delay_ms=3600000)
    api.enqueue("shelf", {}, id="late-1", delay_ms=3600000)
    api.enqueue("hooks", {})
    api.post("/v1/jobs", {"atomic": True, "jobs": [{"queue": "reports", "id": "report-1", "waits": True}, {"queue": "pages", "id": "page-1", "parents": [{"ref": 0}]}]})
    api.enqueue("archive", {})
    api.put("/v1/queues/trial", {})
    for key in ("nightly", "poll"):
        api.put(f"/v1/queues/reports/chains/{key}", {"schedule": {"every_ms": 3600000}})
    api.put("/v1/limits/airtable", {"concurrency": 4})
    api.put("/v1/limits/trial", {})
    for name in ("crm", "trial"):
        api.put(f"/v1/endpoints/{name}", {"url": "https://crm.example.org/things", "types": ["fiche.*"]})
        api.post(f"/v1/endpoints/{name}/pause")
    api.put("/v1/endpoints/signed", {"url": "https://crm.example.org/things", "types": [], "sign": {"kind": "v1a"}})
    api.put("/v1/endpoints/warehouse", {"kind": "poll", "types": ["order.*"]})
    api.put("/v1/secrets/gh-hook", {"value": "It is a secret to everybody"})
    for name in ("github", "trial"):
        api.put(f"/v1/sources/{name}", {"verify": {"kind": "none"}, "into": {"job": {"queue": "sheets"}}})
    for name in ("fiche.updated", "fiche.made"):
        api.put(f"/v1/event-types/{name}", {"description": "A fiche was saved"})
    message = api.post("/v1/messages", {"type": "fiche.updated", "entity": "fiche-417", "endpoint": "crm"})["id"]
    delivery = api.get("/v1/jobs?queue=webhooks&group=crm")["jobs"][0]["uid"]
    api.post(f"/v1/jobs/{delivery}/cancel")
    for name in ("titles", "trial"):
        api.put(f"/v1/formats/{name}", {"program": "{title: .payload.title}"})
        api.put(f"/v1/event-types/{name}", {})
        api.put(f"/v1/secrets/{name}", {"value": name})
    api.put("/v1/secrets/crm-token", {"value": "hunter2hunter2"})
    api.post("/v1/tokens", {"name": "backend", "scopes": ["read"]})
    return {"msg_0r4k2m7x9q3zt": message, "0r4k2m7x9q3zv": delivery}


def long_operation(api):
    """One that has work for a while, paused."""
    def start():
        api.post("/v1/jobs", {"jobs": [{"queue": "heap"}] * 20000})
        return api.post("/v1/operations", {"action": "delete", "filter": {"queue": "heap"}})

    operation = api.paused_operation(start)
    equal(operation["state"], "paused", "state")
    return operation["uid"]


def run_example(ruche, line, directory):
    """One example in a shell of its own. Those that run for ever are given a moment, then told to stop."""
    env = {**os.environ, "PATH": directory + ":" + os.environ["PATH"], "RUCHE_URL": f"unix:{ruche.socket_path}", "RUCHE_TOKEN": ruche.token, "NO_COLOR": "1",
           "CRM_TOKEN": "hunter2hunter2"}
    forever = line.startswith(FOREVER) or " --listen " in line
    process = subprocess.Popen(["sh", "-c", line], cwd=directory, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               start_new_session=True)
    try:
        output, _ = process.communicate(timeout=1.5 if forever else 60)
    except subprocess.TimeoutExpired:
        check(forever, f"it does not end: {line}")
        os.killpg(process.pid, signal.SIGTERM)
        output, _ = process.communicate(timeout=30)
        return
    check(process.returncode == 0, f"{line}: exit code {process.returncode}: {output.decode(errors='replace')[-800:]}")


@story
def every_example_runs():
    """Each line under `examples:` of each command works as printed."""
    directory = tempfile.mkdtemp(prefix="ruche-examples-", dir="/var/tmp")
    os.symlink(harness.options.ruche, os.path.join(directory, "ruche"))
    os.symlink(os.path.join(ROOT, "examples"), os.path.join(directory, "examples"))
    script = os.path.join(directory, "deliver.sh")
    with open(script, "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\ncat > /dev/null\n")
    os.chmod(script, 0o755)
    with open(os.path.join(directory, "crm-token.txt"), "w", encoding="utf-8") as file:
        file.write("hunter2hunter2\n")
    failures, ran = [], 0
    try:
        for name in commands():
            text = subprocess.run([harness.options.ruche, *name.split(), "--help"], capture_output=True, check=True).stdout.decode()
            longest = 75 if "--store-path" in text else 55  # a flag for each key of the configuration
            check(len(text.splitlines()) <= longest, f"the help of {name} does not fit a screen")
            examples = re.search(r"\nexamples:\n((?:  .*\n)+)", text)
            check(examples, f"{name} has no example")
            if name.startswith(("serve", "dev", "bench", "backup", "doctor", "config", "restore")):
                continue  # the daemon's own are in daemon_commands
            calls = name in ("listen", "endpoints test")
            with Daemon(*(["--deliver-allow", "127.0.0.0/8"] if calls else [])) as ruche, Receiver(200) as third:
                names = fill(ruche.api)
                if name.startswith("operations"):
                    names["0r4k2m7x9q3zw"] = long_operation(ruche.api)
                if name == "endpoints test":
                    ruche.api.patch("/v1/endpoints/crm", {"url": third.url})
                    ruche.api.post("/v1/endpoints/crm/resume")
                for line in examples.group(1).splitlines():
                    ran += 1
                    for printed, real in names.items():
                        line = line.replace(printed, real)
                    try:
                        run_example(ruche, line.strip(), directory)
                    except AssertionError as error:
                        failures.append(str(error))
        check(not failures, "\n".join(failures))
        check(ran > 30, f"only {ran} examples were found")
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@story
def json_on_every_read(ruche):
    """--json prints the API's own answer."""
    api = ruche.api
    fill(api)
    for words in (["jobs", "list", "--queue", "sheets"], ["jobs", "show", "sheets/sheet-417"], ["jobs", "explain", "sheets/sheet-417"], ["queues", "list"],
                  ["queues", "show", "sheets"], ["queues", "groups", "sheets"], ["token", "list"],
                  ["endpoints", "list"], ["endpoints", "show", "crm"], ["endpoints", "public-key", "signed"], ["messages", "list"], ["deliveries", "list"],
                  ["formats", "list"], ["formats", "show", "titles"], ["formats", "preview", "titles"], ["secrets", "list"],
                  ["sources", "list"], ["sources", "show", "github"], ["event-types", "list"], ["event-types", "show", "fiche.updated"]):
        json.loads(ruche.cli(*words, "--json"))
        check(ruche.cli(*words).strip(), f"{words} prints nothing")
    shown = ruche.cli("jobs", "show", "sheets/sheet-417").decode()
    for line in (r"job +[0-9a-z]{13}", r"queue +sheets", r"id +sheet-417", r"state +waiting", r"tags +trial", r"created +20\S+Z"):
        check(re.search(f"^{line}$", shown, re.MULTILINE), f"'jobs show' has no line '{line}':\n{shown}")


@story
def queues_say_their_namespace(ruche):
    """A queue that is listed is found again: those of other namespaces say which."""
    ruche.api.enqueue("near")
    check(not re.search("NAMESPACE", ruche.cli("queues").decode()), "a namespace is told where there is one only")
    ruche.api.enqueue("far", namespace="bull")
    check(re.search(r"QUEUE +NAMESPACE .*\nfar +bull +1 ", ruche.cli("queues").decode(), re.DOTALL), "the namespace is not told")
    ruche.cli("queues", "show", "far", "--namespace", "bull")


def refused_in(ruche, pattern, status, *words):
    ruche.cli(*words, status=status)
    check(re.search(pattern, ruche.cli_errors), f"{words}: {ruche.cli_errors!r}")


@story
def what_a_queue_remembers(ruche):
    """Keys, permits, pauses, children, counts, resets: each said to a person, and done."""
    api = ruche.api

    def says(pattern, *words, status=0):
        output = ruche.cli(*words, status=status).decode()
        check(re.search(pattern, output), f"{words} says {output!r}")

    fill(api)
    says("^sheet-417 is owned by .*, id sheet-417, until it has ended\n", "dedup", "show", "sheets", "sheet-417")
    says("^sheet-417 is free: it was owned by", "dedup", "release", "sheets", "sheet-417")
    says("^sheet-417 is free: nobody owns it", "dedup", "show", "sheets", "sheet-417")
    says("^granted: a holds 3 of airtable", "limits", "acquire", "airtable", "a", "--units", "3")
    says("^not now: ask again", "limits", "acquire", "airtable", "b", "--units", "2", status=1)
    says("^a gives back 3 of airtable", "limits", "release", "airtable", "a")
    says("^1\n", "jobs", "count", "--queue", "sheets", "--state", "waiting")
    says("^0\n", "jobs", "count", "--queue", "sheets", "--tag", "nothing")
    says("^sheets starts nothing for 3600000 ms", "queues", "back-off", "sheets", "3600000")
    equal(api.claim("sheets")["reason"], "backed_off", "what holds the queue back")
    says("^sheets is open", "queues", "back-off", "sheets", "0")
    child = json.loads(ruche.cli("enqueue", "pages", "2", "--id", "page-2", "--parent", "reports/report-1", "--on-failure", "ignore", "--json"))["uid"]
    children = {row["id"]: row["on_failure"] for row in api.get("/v1/queues/reports/jobs/report-1/children")["children"]}
    equal(children, {"page-1": "fail", "page-2": "ignore"}, "children")
    says("waits no more for " + child, "jobs", "detach", "--from", "reports/report-1", "pages/page-2")
    says("did not wait for " + child, "jobs", "detach", "--from", "reports/report-1", child)
    says("^1 is deleted", "jobs", "children", "--delete", "reports/report-1")
    ruche.cli("queues", "set", "trial", "concurrency=3", "--json")
    says("^site-9 is set|^trial is set", "queues", "set", "trial", "--group", "site-9", "weight=3")
    says("^site-9 has its queue's settings", "queues", "delete", "--yes", "trial", "--group", "site-9")
    equal(api.get("/v1/queues/trial/groups")["groups"], [], "groups")
    ruche.cli("queues", "reset", "--yes", "sheets", status=65)
    refused_in(ruche, "^ruche queues reset: [A-Z]", 66, "queues", "reset", "--yes", "nowhere")
    refused_in(ruche, "^ruche events send: name: ", 65, "events", "send", "sheets", "")
    equal(api.get("/v1/queues/sheets")["states"]["waiting"], 1, "a queue with jobs is not reset")
    says("^trial is as it was when it was made", "queues", "reset", "--yes", "trial")
    equal(api.get("/v1/queues/trial")["settings"]["concurrency"], 0, "concurrency after the reset")
    uid = long_operation(api)
    says(f"^{uid} is running", "operations", "resume", uid)
    uid = long_operation(api)
    says(f"^{uid} is cancelled", "operations", "cancel", uid)
    says(f"{uid} +delete +cancelled", "operations", "list")


@story
def enqueue_waits_and_tells(ruche):
    """enqueue --wait tells the result, and fails when the job does."""
    waiting = subprocess.Popen([harness.options.ruche, "enqueue", "echo", '{"a": 1}', "--wait"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env={**os.environ, "RUCHE_URL": f"unix:{ruche.socket_path}", "RUCHE_TOKEN": ruche.token})
    job, token = ruche.api.claim_one("echo")
    ruche.api.complete(job["uid"], token, {"b": 2})
    output, _ = waiting.communicate(timeout=60)
    equal((waiting.returncode, output), (0, b'completed {"b": 2}\n'), "exit code and output")


@story
def work_runs_a_command(ruche):
    """Payload in, result out; exit code 100 is final, another one is tried again; the environment tells who the job is."""
    api = ruche.api
    uid = api.enqueue("cmd", {"n": 20}, id="j-1", name="sum")["uid"]
    ruche.cli("work", "cmd", "--drain", "--", "sh", "-c", 'printf \'{"got": %s, "id": "%s", "try": %s}\' "$(cat)" "$RUCHE_JOB_ID" "$RUCHE_JOB_ATTEMPT"')
    equal(api.get(f"/v1/jobs/{uid}/result"), {"got": {"n": 20}, "id": "j-1", "try": 1}, "result")
    plain = api.enqueue("cmd", 1)["uid"]
    ruche.cli("work", "cmd", "--drain", "--", "echo", "plain text")
    equal(api.get(f"/v1/jobs/{plain}/result"), "plain text", "a result that is not JSON")
    final = api.enqueue("cmd", 2, max_attempts=9)["uid"]
    ruche.cli("work", "cmd", "--drain", "--", "sh", "-c", "echo the roof leaks >&2; exit 100", status=1)
    job = api.job(final)
    equal((job["state"], job["outcome"], job["error"]["message"]), ("failed", "final_error", "the roof leaks"), "exit code 100")
    again = api.enqueue("cmd", 3, max_attempts=2, retry={"kind": "fixed", "delay_ms": 3600000, "max_attempts": 2})["uid"]
    ruche.cli("work", "cmd", "--count", "1", "--", "false", status=1)
    equal(api.job(again)["state"], "delayed", "another exit code")
    slow = api.enqueue("slow", 1, timeout_ms=200, max_attempts=1)["uid"]
    ruche.cli("work", "slow", "--drain", "--", "sleep", "60", status=1)
    equal(api.job(slow)["error"]["type"].lower(), "timeout", "a time-out")
    ruche.cli("work", "slow", "--count", "1", "--", "/no/such/command", status=69) if api.enqueue("slow", 2, max_attempts=1) else None


@story
def work_hands_on_where_the_daemon_is(ruche):
    """A command that calls ruche reaches the daemon, token and namespace that `work` was told by options; what it is told of the job is no
    strange variable to a daemon that it starts, and a job around it does not shine through."""
    api = ruche.api
    api.post("/v1/jobs", {"queue": "first", "namespace": "tenant", "id": "a", "payload": 1})
    script = 'ruche enqueue second "$(cat)" --id "$RUCHE_JOB_NAMESPACE-$RUCHE_JOB_ID-$RUCHE_JOB_NAME$RUCHE_JOB_OF_ANOTHER" >&2 && ruche config check'
    with tempfile.TemporaryDirectory() as directory:
        os.symlink(harness.options.ruche, os.path.join(directory, "ruche"))
        elsewhere = {"RUCHE_URL": "http://127.0.0.1:1", "RUCHE_TOKEN": "rch_of_nobody", "RUCHE_NAMESPACE": "elsewhere", "RUCHE_JOB_OF_ANOTHER": "x",
                     "RUCHE_EPHEMERAL": "false", "PATH": directory + ":" + os.environ["PATH"]}
        ruche.cli("work", "first", "--drain", "--url", f"unix:{ruche.socket_path}", "--token", ruche.token, "--namespace", "tenant", "--", "sh", "-c", script, env=elsewhere)
    done = api.get("/v1/queues/first/jobs/a?namespace=tenant")
    equal((done["state"], done["result"]), ("completed", "configuration: fine"), "the first job")
    equal(api.get("/v1/queues/second/jobs/tenant-a-?namespace=tenant")["state"], "waiting", "the second job")


def now():
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@story
def work_is_listed(ruche):
    """Who works is there once for each queue, busy or not, and gone when it has ended."""
    def listed():
        return sorted((worker["queue"], worker["name"], worker["kind"]) for worker in ruche.api.get("/v1/workers?namespace=tenant")["workers"])

    env = {**os.environ, "RUCHE_URL": f"unix:{ruche.socket_path}", "RUCHE_TOKEN": ruche.token}
    worker = subprocess.Popen([harness.options.ruche, "work", "some", "more", "--namespace", "tenant", "--worker", "me", "--", "cat"], env=env)
    until(lambda: len(listed()) == 2, "both were told")
    equal(listed(), [("more", "me", "worker"), ("some", "me", "worker")], "who works")
    check(b"me" in ruche.cli("workers", "--namespace", "tenant", "--queue", "more"), "in the table")
    worker.send_signal(signal.SIGTERM)
    equal(worker.wait(60), 0, "exit code")
    until(lambda: not listed(), "it was gone")


@story
def work_keeps_its_lease_and_hands_back(ruche):
    """A job longer than its lease is not lost; SIGTERM after the grace hands it back without an attempt; a cancelled one is ended."""
    api = ruche.api
    events = api.events(queue="long")
    uid = api.enqueue("long", 1)["uid"]
    env = {**os.environ, "RUCHE_URL": f"unix:{ruche.socket_path}", "RUCHE_TOKEN": ruche.token}
    over = os.path.join(ruche.directory, "over")
    worker = subprocess.Popen([harness.options.ruche, "work", "long", "--drain", "--lease", "4s", "--", "sh", "-c", f"until [ -e {over} ]; do sleep 0.05; done"], env=env, stderr=subprocess.DEVNULL)
    events.until("active", uid)
    first_end = api.explain(uid)["until_at"]
    while (told := api.explain(uid))["code"] == "running" and now() < first_end:  # until it is longer than the lease that it began with
        time.sleep(0.02)  # only to keep the machine free
    equal((told["code"], told["until_at"] > first_end), ("running", True), "the lease was renewed")
    with open(over, "w", encoding="utf-8"):
        pass
    equal(worker.wait(60), 0, "exit code")
    job = api.job(uid)
    equal((job["state"], job["stalls"]), ("completed", 0), "state and stalls")
    uid = api.enqueue("long", 2)["uid"]
    worker = subprocess.Popen([harness.options.ruche, "work", "long", "--grace", "100ms", "--", "sleep", "600"], env=env, stderr=subprocess.DEVNULL)
    events.until("active", uid)
    worker.send_signal(signal.SIGTERM)
    equal(worker.wait(60), 0, "exit code after SIGTERM")
    job = api.job(uid)
    equal((job["state"], job["attempts_made"]), ("waiting", 0), "handed back")
    worker = subprocess.Popen([harness.options.ruche, "work", "long", "--lease", "4s", "--count", "1", "--", "sleep", "600"], env=env, stderr=subprocess.DEVNULL)
    events.until("active", uid)
    api.post(f"/v1/jobs/{uid}/cancel")
    equal(worker.wait(60), 1, "exit code after a cancel")
    equal(api.job(uid)["state"], "cancelled", "state")
    events.close()


@story
def errors_are_one_line(ruche):
    """A refusal, a missing job, a daemon that is not there, a typo: one line, and the right exit code."""
    ruche.api.enqueue("q")
    for words, code, says in ((["enqueue", "q", "not json"], 65, "JSON"), (["jobs", "show", "sheets/nobody"], 66, "not_found"), (["jobs", "shwo", "x"], 64, "jobs show"),
                              (["enqueue"], 64, "queue"), (["enqueue", "q", "--dealy", "5s"], 64, "--delay"), (["queues", "set", "q", "concurrency=-1"], 65, "concurrency"),
                              (["jobs", "list", "--url", "http://127.0.0.1:1"], 69, "ruche serve"), (["jobs", "list", "--token", "rch_no"], 77, "token"),
                              (["jobs", "retry", "--all", "--queue", "q"], 64, "--yes")):
        ruche.cli(*words, status=code)
        check(says in ruche.cli_errors, f"{words}: {says!r} is not in {ruche.cli_errors!r}")
        equal(ruche.cli_errors.count("\n"), 1, f"lines of {words}")


@story
def words_that_are_nearly_right(ruche):
    """A word too many, a misspelt second word, a type, a server that is no ruche: each is told with what was meant, and nothing hangs."""
    with Receiver((200, {"Content-Type": "text/html"}, b"<html></html>")) as page:
        for words, code, says in ((["jobs", "shwo", "x"], 64, "did you mean 'jobs show'?"), (["jobs", "frobnicate"], 64, "there are jobs list, "),
                                  (["help", "queues", "sett"], 64, "did you mean 'queues set'?"), (["help", "jobs", "list", "x"], 64, "no command"),
                                  (["events", "--type", "finished", "--count", "1"], 65, "types"), (["backup"], 64, "--to FILE is needed"),
                                  (["jobs", "list", "--url", page.url], 76, "is it the right address?"), (["serve", "--listen", "nowhere"], 78, "--listen: 'nowhere'")):
            ruche.cli(*words, status=code)
            check(says in ruche.cli_errors, f"{words}: {says!r} is not in {ruche.cli_errors!r}")
            equal(ruche.cli_errors.count("\n"), 1, f"lines of {words}")
    store = os.path.join(ruche.directory, "copy.db")
    ruche.cli("backup", "--store", ruche.store, "--to", store)
    ruche.cli("backup", "--store", ruche.store, "--to", store, status=65)
    check(f"ruche backup: --to: {store} exists" in ruche.cli_errors, ruche.cli_errors)
    equal(ruche.cli("jobs", "retry", "--all", "--state", "failed"), b"no job matches\n", "a bulk change of nothing")


@story
def lists_go_on_where_they_ended(ruche):
    """--cursor, as the page before said, brings the next page of jobs and of groups."""
    for number in range(3):
        ruche.api.enqueue("paged", number, id=f"p-{number}", group=f"g-{number}")
    for words, row in ((["jobs", "list", "--queue", "paged", "--oldest"], r"p-\d"), (["queues", "groups", "paged"], r"g-\d")):
        found, more = [], []
        for _ in range(3):
            found += re.findall(row, ruche.cli(*words, "--limit", "1", *more).decode())
            more = re.findall(r"(--cursor) (\S+)", ruche.cli_errors)
            more = list(more[0]) if more else []
        equal([name[-1] for name in found], ["0", "1", "2"], f"rows of {words}")
    api = ruche.api
    equal(api.get("/v1/queues/paged/groups?limit=1&cursor=" + json.loads(ruche.cli("queues", "groups", "paged", "--limit", "1", "--json"))["next_cursor"])["groups"][0]["key"],
          "g-1", "the API's own next page")


@story
def queues_show_the_keys_of_set(ruche):
    """Each setting that `queues show` prints can be given back to `queues set`."""
    ruche.cli("queues", "set", "shown", "concurrency=3", 'rate={"max":5,"per_ms":1000}')
    text = ruche.cli("queues", "show", "shown").decode()
    check("\nconcurrency " in text and "\nrate.max " in text, text)
    before = ruche.api.get("/v1/queues/shown")["settings"]
    settings = [f"{key}={value}" for key, value in re.findall(r"^(\S+) +(.*)$", text.split("SETTING")[1], re.MULTILINE) if value != "-"]
    check(len(settings) > 15, f"settings: {settings}")
    ruche.cli("queues", "set", "shown", *settings)
    equal(ruche.api.get("/v1/queues/shown")["settings"], before, "settings that were given back")


def on_a_terminal(ruche, *words):
    """What a command writes to a terminal, both streams."""
    try:
        here, there = os.openpty()
    except OSError as error:
        raise Skip(f"no terminal can be made here: {error}") from None
    env = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    process = subprocess.Popen([harness.options.ruche, *words], stdin=there, stdout=there, stderr=there, close_fds=True,
                               env={**env, "RUCHE_URL": f"unix:{ruche.socket_path}", "RUCHE_TOKEN": ruche.token, "TERM": "xterm"})
    os.close(there)
    text = b""
    while True:
        try:
            piece = os.read(here, 65536)
        except OSError:  # the other end is closed
            piece = b""
        if not piece:
            break
        text += piece
    os.close(here)
    equal(process.wait(60), 0, f"exit code of {words}: {text.decode(errors='replace')}")
    return text.decode()


@story
def long_work_has_a_bar_on_a_terminal(ruche):
    """Bulk changes, many lines and a backup draw a bar on a terminal and wipe it; elsewhere there is none. Results end with a line there."""
    with tempfile.TemporaryDirectory() as directory:
        lines = os.path.join(directory, "lines")
        with open(lines, "w", encoding="utf-8") as file:
            file.writelines(f'{{"n":{number}}}\n' for number in range(5000))
        for words, says in ((["enqueue", "many", "--lines", "--file", lines], "5000 jobs enqueued into many"),
                            (["jobs", "cancel", "--all", "--yes", "--queue", "many"], "cancelled 5000 jobs"),
                            (["backup", "--store", ruche.store, "--to", os.path.join(directory, "copy.db")], "a copy of ")):
            text = on_a_terminal(ruche, *words)
            check(re.search(r"\r\x1b\[K\[=* *\] +\d+%", text), f"{words}: no bar in {text!r}")
            check(re.search(r"\r\x1b\[K(?:\S+: )?" + says, text), f"{words}: the bar is not wiped: {text!r}")
    ruche.cli("jobs", "retry", "--all", "--yes", "--queue", "many", "--id", "none")
    equal(ruche.cli_errors, "", "a bar without a terminal")
    uid = ruche.api.enqueue("one", {"a": 1})["uid"]
    equal(on_a_terminal(ruche, "jobs", "show", uid, "--payload"), '{"a": 1}\r\n', "a payload on a terminal")
    equal(ruche.cli("jobs", "show", uid, "--payload"), b'{"a": 1}', "a payload elsewhere")


@story
def bulk_from_the_command_line(ruche):
    """jobs retry --all follows the operation and says what it did."""
    api = ruche.api
    api.post("/v1/jobs", {"jobs": [{"queue": "b", "max_attempts": 1} for _ in range(30)]})
    claimed = api.claim("b", max=30)
    api.post("/v1/leases/fail", {"token": claimed["token"], "leases": [{"uid": job["uid"]} for job in claimed["jobs"]]})
    check(b"retried 30 jobs" in ruche.cli("jobs", "retry", "--all", "--yes", "--queue", "b", "--state", "failed"), "output")
    equal(api.states("b")["waiting"], 30, "waiting")


@story
def completion_and_man_pages(ruche):
    """The scripts parse, know the live queues, and the pages lint."""
    api = ruche.api
    api.enqueue("live-queue")
    api.put("/v1/formats/live-format", {"program": "."})
    api.put("/v1/event-types/live.type", {})
    api.put("/v1/secrets/live-secret", {"value": "x"})
    api.put("/v1/endpoints/live-hook", {"url": "https://crm.example.org/", "types": []})
    api.put("/v1/sources/live-source", {"verify": {"kind": "none"}, "into": {"job": {"queue": "live-queue"}}})
    script = ruche.cli("completion", "bash")
    env = {**os.environ, "RUCHE_URL": f"unix:{ruche.socket_path}", "RUCHE_TOKEN": ruche.token, "PATH": os.path.dirname(harness.options.ruche) + ":" + os.environ["PATH"]}
    for words, wanted in (("jobs list --queue liv", ["live-queue"]), ("jobs exp", ["explain"]), ("config ", ["check", "print"]), ("completion f", ["fish"]), ("help tok", ["token"]),
                          ("endpoints pause li", ["live-hook"]), ("sources show li", ["live-source"]), ("send x --endpoint li", ["live-hook"]), ("formats preview li", ["live-format"]), ("event-types archive li", ["live.type"]), ("send li", ["live.type"]), ("messages list --type li", ["live.type"]), ("secrets rotate li", ["live-secret"]), ("work liv", ["live-queue"]), ("queues show liv", ["live-queue"]), ("serve --log-", ["--log-level", "--log-format"]), ("enq", ["enqueue"]),
                          ("config check --log-level w", ["warn"]), ("jobs list --state fa", ["failed"])):
        count = len(words.split(" "))
        probe = script.decode() + f"\nCOMP_WORDS=(ruche {words} \"\"); COMP_CWORD={count}; _ruche; printf '%s\\n' \"${{COMPREPLY[@]}}\"\n"
        done = subprocess.run(["bash"], input=probe.encode(), capture_output=True, env=env, check=True, timeout=60)
        equal(done.stdout.decode().split(), wanted, f"completions of 'ruche {words}'")
    for shell in ("zsh", "fish"):
        if shutil.which(shell):
            done = subprocess.run([shell, "-n"], input=ruche.cli("completion", shell), capture_output=True, check=False, timeout=60)
            equal((done.returncode, done.stderr), (0, b""), f"the script of {shell}")
    with tempfile.TemporaryDirectory() as directory:
        ruche.cli("help", "--man", directory)
        pages = sorted(os.listdir(directory))
        check("ruche.1" in pages and len(pages) > 20, f"pages: {pages}")
        kept = os.path.join(ROOT, "docs", "man")
        if os.path.isdir(kept):
            for page in pages:
                with open(os.path.join(directory, page), "rb") as fresh, open(os.path.join(kept, page), "rb") as old:
                    check(fresh.read() == old.read(), f"docs/man/{page} is not what the table says: run ./dev doc")
        if shutil.which("mandoc"):
            done = subprocess.run(["mandoc", "-Tlint", "-W", "warning"] + [os.path.join(directory, page) for page in pages], capture_output=True, check=False)
            equal(done.stdout.decode(), "", "mandoc")


@story
def sink_answers_by_script(ruche):
    """ruche sink plays its script, writes the bodies, and ends after its count."""
    with tempfile.TemporaryDirectory() as directory:
        sink = subprocess.Popen([harness.options.ruche, "sink", "--listen", "127.0.0.1:0", "--script", "503:7,302>http://x/,200", "--count", "3", "--out", directory],
                                stdout=subprocess.PIPE)
        said = sink.stdout.readline().decode()
        check(said.startswith("listening on http://127.0.0.1:"), f"it says where it listens: {said!r}")
        port = int(said.rpartition(":")[2])
        import http.client
        seen = []
        for body in (b"1", "é".encode(), b'{"a":\n1}'):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request("POST", "/hook", body)
            answer = connection.getresponse()
            seen.append((answer.status, answer.getheader("Retry-After"), answer.getheader("Location")))
            connection.close()
        equal(seen, [(503, "7", None), (302, None, "http://x/"), (200, None, None)], "answers")
        equal(sink.wait(30), 0, "exit code")
        sink.stdout.close()
        with open(os.path.join(directory, "0002.body"), "rb") as file:
            equal(file.read(), "é".encode(), "the second body")


@story
def events_can_be_followed(ruche):
    """ruche events prints what happened since an event, as JSON too."""
    ruche.api.enqueue("ev", 1)
    lines = ruche.cli("events", "--after", "0", "--count", "1", "--json").splitlines()
    equal(json.loads(lines[0])["type"], "enqueued", "type")
    job, token = ruche.api.claim_one("ev")
    ruche.api.post(f"/v1/leases/{job['uid']}/progress", {"token": token, "progress": {"done": 3}})
    ruche.api.fail(job["uid"], token, "the roof leaks")
    words = ["events", "--queue", "ev", "--type", "progress", "--type", "retrying", "--after", "0", "--count", "2"]
    text = ruche.cli(*words).decode().splitlines()
    for line, kind, detail in zip(text, ("progress", "retrying"), ('"progress":{"done": 3}', "the roof leaks")):
        check(re.match(rf"20\S+Z  {kind} +{job['uid']}  ev  ", line) and detail in line, f"the line of {kind}: {line!r}")
        check(not line.endswith("}}"), f"a brace too many: {line!r}")
    told = [json.loads(line) for line in ruche.cli(*words, "--json").splitlines()]
    equal([event["type"] for event in told], ["progress", "retrying"], "types")
    equal(told[0]["data"]["progress"], {"done": 3}, "the progress")


if __name__ == "__main__":
    run()
