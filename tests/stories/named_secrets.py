"""Named secrets: a watched file, credentials, the environment; and a canary that must be found nowhere else."""

import base64
import hashlib
import hmac
import json
import os
import re
import signal
import subprocess
import tempfile
import termios

import harness
from harness import DEADLINE_S, Daemon, Receiver, Skip, check, equal, run, story, until

CANARY = "canary-" + "7f3d0c9ab2e1"  # every value below holds it
KEY = b"thirty-two bytes of a secret key"
SIGNING = "whsec_" + base64.b64encode(KEY).decode()
ENVIRONMENT_CANARY = CANARY + "-of-the-environment"


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
                    yield file.read()


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


def signed_by(received, key):
    """Is one of the signatures of that key?"""
    head = received.headers
    signed = f"{head['webhook-id']}.{head['webhook-timestamp']}.".encode() + received.body
    ours = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return ours in head["webhook-signature"].split(" ")


@story
def a_signing_secret_is_rotated():
    """An endpoint signs with what the file says at the attempt: while the old secret still counts, by both."""
    old, new = b"the old key of thirty-two bytes.", b"the new key of thirty-two bytes."
    texts = ["whsec_" + base64.b64encode(key).decode() for key in (old, new)]
    with tempfile.TemporaryDirectory(prefix="ruche-secrets-") as directory, Receiver(200) as receiver:
        path, daemon = watched(directory, json.dumps({"endpoint/crm": texts[0]}), "--deliver-allow", "127.0.0.0/8")
        with daemon:
            api = daemon.api
            api.put("/v1/endpoints/crm", {"url": receiver.url, "types": ["*"]})
            for count, (values, signers, others) in enumerate((([texts[0]], [old], [new]), ([texts[1], texts[0]], [new, old], []), ([texts[1]], [new], [old])), 1):
                if count > 1:
                    replace(path, json.dumps({"endpoint/crm": values}))
                    until(lambda wanted=count - 1: daemon.log().count("secrets.read") == wanted, "the change was read")
                api.post("/v1/messages", {"type": "note", "payload": {"n": count}})
                until(lambda wanted=count: len(receiver.received) == wanted, f"message {count} arrived")
                check(all(signed_by(receiver.received[-1], key) for key in signers), f"round {count}: a signature is missing")
                check(not any(signed_by(receiver.received[-1], key) for key in others), f"round {count}: signed by what counts no more")


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


def used(daemon):
    """Secrets are sent to a third party that echoes them; all that can be asked about it."""
    def echo(client, received):
        body = json.dumps({"heard": received.headers}).encode()
        client.sendall(b"HTTP/1.1 400 No\r\nContent-Type: application/json\r\nX-Heard: %s\r\nContent-Length: %d\r\n\r\n%s"
                       % (received.headers["authorization"].encode(), len(body), body))

    api = daemon.api
    with Receiver(echo) as receiver:
        api.put("/v1/endpoints/crm", {"url": receiver.url, "types": ["*"], "auth": {"kind": "bearer", "secret": "changed"}, "sign": {"secret": "key"},
                                      "headers": {"x-client": {"secret": "env:CRM"}, "x-other": {"secret": "credential:crm"}}})
        api.post("/v1/messages", {"type": "note", "payload": {"n": 1}})
        [uid] = [job["uid"] for job in api.get("/v1/jobs?queue=webhooks")["jobs"]]
        equal(api.wait(uid)["state"], "failed", "the delivery")
        heard = receiver.received[0].headers
        equal((heard["authorization"], heard["x-client"], heard["x-other"]), ("Bearer " + CANARY, ENVIRONMENT_CANARY, "credential " + CANARY), "what was sent")
        check(signed_by(receiver.received[0], KEY), "the signature")
    paths = (f"/v1/jobs/{uid}", f"/v1/jobs/{uid}/attempts", f"/v1/jobs/{uid}/explain", "/v1/endpoints", "/v1/queues", "/v1/stats", "/metrics", "/v1/openapi.json")
    return [api.call("GET", path).body for path in paths]


@story
def a_canary_is_found_nowhere():
    """Values of all places stand in no log, answer, metric, page of the store, environment or core dump."""
    with tempfile.TemporaryDirectory(prefix="ruche-secrets-") as directory:
        credentials = os.path.join(directory, "credentials")
        os.mkdir(credentials)
        with open(os.path.join(credentials, "secret.crm"), "w", encoding="utf-8") as file:
            file.write("credential " + CANARY)
        text = json.dumps({"file": CANARY, "escaped": [CANARY + "\n", CANARY], "billing/crm": CANARY, "key": SIGNING})
        arguments = ["--core-dumps", "--log-level", "debug", "--deliver-allow", "127.0.0.0/8"]
        path, daemon = watched(directory, text, *arguments, env={"CREDENTIALS_DIRECTORY": credentials, "RUCHE_SECRET_CRM": ENVIRONMENT_CANARY})
        with daemon:
            replace(path, text.replace("file", "changed"))
            until(lambda: "secrets.read" in daemon.log(), "the change was read")
            replace(path, text[:-5])
            until(lambda: "secrets.refused" in daemon.log(), "the broken file was refused")
            daemon.process.send_signal(signal.SIGHUP)
            until(lambda: "reload.done" in daemon.log(), "it reloaded")
            with open(f"/proc/{daemon.process.pid}/environ", "rb") as environ:
                kept = environ.read()
            check(b"RUCHE_SECRET_CRM=" in kept and CANARY.encode() not in kept, "the environment still tells it")
            blocks = list(dumped_memory(daemon.process.pid))
            check(any(daemon.token.encode() in block for block in blocks), "the reading of memory finds nothing at all")
            check(not any(CANARY.encode() in block for block in blocks), "a core dump would tell a secret")
            answers = [doctor(daemon.store, {"RUCHE_SECRET_CRM": ENVIRONMENT_CANARY, "RUCHE_SECRETS_PATH": path}),
                       daemon.cli("config", "print", "--secrets-path", path, env={"RUCHE_SECRET_CRM": ENVIRONMENT_CANARY}), *used(daemon)]
            daemon.stop()
            told = answers + [daemon.log().encode()] + list(files_below(daemon.directory))
            check(not any(CANARY.encode() in text or SIGNING[6:].encode() in text for text in told), "a secret was told")


@story
def the_store_keeps_secrets_sealed(ruche):
    """Put, listed without their values, found after a crash; in the file of the store nobody reads them, and without the key nobody opens them."""
    api = ruche.api
    made = api.put("/v1/secrets/partners%2Fcrm", {"value": CANARY})
    equal((made["name"], made["namespace"], "value" in made), ("partners/crm", "default", False), "what is told of it")
    api.put("/v1/secrets/pair?namespace=billing", {"values": [{"value": CANARY}, {"value": "old " + CANARY, "until_at": "2099-01-01T00:00:00.000Z"}]})
    for body, field in (({"value": 5}, "value"), ({"value": ""}, "value"), ({}, "value"), ({"value": "a", "values": [{"value": "b"}]}, "value"),
                        ({"values": []}, "values"), ({"value": "x" * 60000}, "value")):
        problem = api.refused("PUT", "/v1/secrets/bad", body, status=(413, 422), field=field)
        check("xxx" not in problem["detail"], "a problem tells the value")
    api.refused("PUT", "/v1/secrets/no%20name", {"value": "a"}, field="secret")
    ruche.restart()
    api = ruche.api
    [told] = api.get("/v1/secrets")["secrets"]
    equal((told["name"], told["sealed"], told["values"], len(told["key"])), ("partners/crm", False, [{"until_at": None}], 16), "in the list")
    [told] = api.get("/v1/secrets?namespace=billing")["secrets"]
    equal(told["values"], [{"until_at": None}, {"until_at": "2099-01-01T00:00:00.000Z"}], "two values")
    equal(os.stat(ruche.store + ".key").st_mode & 0o777, 0o600, "the key file's mode")
    check(not any(CANARY.encode() in text for text in files_below(ruche.directory)), "a secret stands on the disk")
    ruche.kill()
    os.rename(ruche.store + ".key", ruche.store + ".old")
    ruche.start()
    api = ruche.api
    equal([one["sealed"] for one in api.get("/v1/secrets")["secrets"]], [True], "without its key")
    os.rename(ruche.store + ".old", ruche.store + ".key")
    ruche.process.send_signal(signal.SIGHUP)
    until(lambda: not api.get("/v1/secrets")["secrets"][0]["sealed"], "the key was read")
    equal(api.post("/v1/secrets/rekey"), {"rekeyed": 0, "left": 0}, "nothing to do")
    with open(ruche.store + ".key", encoding="ascii") as file:
        old = file.read()
    replace(ruche.store + ".key", base64.b64encode(bytes(range(32))).decode() + "\n" + old)
    ruche.process.send_signal(signal.SIGHUP)
    until(lambda: ruche.log().count("reload.done") == 2, "both keys were read")
    equal(api.post("/v1/secrets/rekey"), {"rekeyed": 2, "left": 0}, "under the new key")
    replace(ruche.store + ".key", base64.b64encode(bytes(range(32))).decode() + "\n")
    ruche.restart()
    api = ruche.api
    [told] = api.get("/v1/secrets")["secrets"]
    equal((told["key"], told["sealed"]), ("630dcd2966c43366", False), "the old key is not needed any more")
    check(not any(CANARY.encode() in text for text in files_below(ruche.directory)), "a secret stands on the disk")
    api.refused("POST", "/v1/secrets/none/rotate", {"value": "a"}, status=404, code="secret_not_found")
    api.refused("POST", "/v1/secrets/partners%2Fcrm/rotate", {}, field="value")
    api.refused("POST", "/v1/secrets/partners%2Fcrm/rotate", {"value": "a", "overlap_ms": 604800001}, field="overlap_ms")
    api.delete("/v1/secrets/partners%2Fcrm")
    equal(api.get("/v1/secrets")["secrets"], [], "after it was deleted")
    api.refused("DELETE", "/v1/secrets/partners%2Fcrm", status=404, code="secret_not_found")
    limited = api.again(api.post("/v1/tokens", {"name": "operator", "scopes": ["operate", "read"]})["token"])
    limited.refused("GET", "/v1/secrets", status=403, code="forbidden")
    limited.refused("PUT", "/v1/secrets/mine", {"value": "a"}, status=403, code="forbidden")


@story
def an_endpoint_has_a_secret_of_its_own():
    """Who signs and names no secret is given one, told once; calls are signed by it, also after a crash; and by another one once that was put."""
    with Daemon("--deliver-allow", "127.0.0.0/8") as ruche, Receiver(200) as receiver:
        made = ruche.api.put("/v1/endpoints/crm", {"url": receiver.url, "types": ["*"]})
        key = base64.b64decode(made["signing_secret"].removeprefix("whsec_"))
        equal(len(key), 32, "bytes of the key")
        ruche.restart()
        api = ruche.api
        check("signing_secret" not in api.get("/v1/endpoints/crm"), "told again")
        check("signing_secret" not in api.put("/v1/endpoints/crm", {"url": receiver.url, "types": ["*"], "timeout_ms": 5000}), "made again")
        check("signing_secret" not in api.put("/v1/endpoints/plain", {"url": receiver.url, "types": [], "sign": {"kind": "none"}}), "made for one that does not sign")
        api.put("/v1/secrets/other", {"value": SIGNING})
        check("signing_secret" not in api.put("/v1/endpoints/named", {"url": receiver.url, "types": [], "sign": {"secret": "other"}}), "made for one that names its own")
        api.post("/v1/messages", {"type": "note", "payload": {"n": 1}})
        check(signed_by(receiver.wait(1), key), "signed by its own secret")
        texts = [made["signing_secret"], SIGNING]
        api.put("/v1/secrets/endpoint%2Fcrm", {"values": [{"value": texts[1]}, {"value": texts[0], "until_at": "2099-01-01T00:00:00Z"}]})
        api.post("/v1/messages", {"type": "note", "payload": {"n": 2}})
        received = receiver.wait(2)
        check(signed_by(received, key) and signed_by(received, KEY), "signed by both")
        rotated = api.post("/v1/secrets/endpoint%2Fcrm/rotate", {"overlap_ms": 0})["value"]
        api.post("/v1/messages", {"type": "note", "payload": {"n": 3}})
        received = receiver.wait(3)
        check(signed_by(received, base64.b64decode(rotated.removeprefix("whsec_"))), "signed by the one that the rotation made")
        check(not signed_by(received, KEY) and not signed_by(received, key), "the others ended at once")
        check("value" not in api.post("/v1/secrets/endpoint%2Fcrm/rotate", {"value": SIGNING}), "told, though it is the caller's")
        api.post("/v1/messages", {"type": "note", "payload": {"n": 4}})
        received = receiver.wait(4)
        check(signed_by(received, KEY) and signed_by(received, base64.b64decode(rotated.removeprefix("whsec_"))), "a day for the one before")
        wrong = ruche.api.call("PUT", "/v1/endpoints/wrong", {"url": receiver.url, "format": "nowhere"}, status=422)
        check(b"whsec_" not in wrong.body, "a refusal tells a secret")
        equal([one["name"] for one in api.get("/v1/secrets")["secrets"]], ["endpoint/crm", "other"], "secrets, none of them of an endpoint that was refused")
        equal(api.get("/v1/secrets")["secrets"][0]["named_by"], [{"kind": "endpoint", "name": "crm"}], "who names it")


def verified(key, received):
    """Ed25519 by openssl, over what arrived."""
    head = received.headers
    [signature] = [one[4:] for one in head["webhook-signature"].split(" ") if one.startswith("v1a,")]
    with tempfile.TemporaryDirectory() as directory:
        paths = [os.path.join(directory, name) for name in ("key", "signature", "message")]
        for path, content in zip(paths, (bytes.fromhex("302a300506032b6570032100") + key, base64.b64decode(signature), f"{head['webhook-id']}.{head['webhook-timestamp']}.".encode() + received.body)):
            with open(path, "wb") as file:
                file.write(content)
        done = subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", paths[0], "-sigfile", paths[1], "-rawin", "-in", paths[2]], capture_output=True, check=False)
    return done.returncode == 0


@story
def a_change_begins_to_sign():
    """PATCH makes the endpoint's own secret as PUT does, told once; by v1a receivers get the public key; it goes with the endpoint."""
    with Daemon("--deliver-allow", "127.0.0.0/8") as ruche, Receiver(200) as receiver, Receiver(200) as mover:
        api = ruche.api
        api.put("/v1/endpoints/crm", {"url": receiver.url, "types": ["*"], "sign": {"kind": "none"}})
        check("signing_secret" not in api.patch("/v1/endpoints/crm", {"timeout_ms": 5000}), "a change of something else")
        equal(api.get("/v1/secrets")["secrets"], [], "no secret yet")
        api.refused("GET", "/v1/endpoints/crm/public-key", status=409, code="illegal_state")
        made = api.patch("/v1/endpoints/crm", {"sign": {"kind": "v1"}})
        key = base64.b64decode(made["signing_secret"].removeprefix("whsec_"))
        check("signing_secret" not in api.patch("/v1/endpoints/crm", {"sign": {"prefix": "svix"}}), "told again")
        api.patch("/v1/endpoints/crm", {"sign": {"prefix": "webhook"}})
        api.post("/v1/messages", {"type": "note"})
        check(signed_by(receiver.wait(1), key), "signed by it")
        api.refused("PATCH", "/v1/endpoints/none", {"sign": {"kind": "v1"}}, status=404, code="endpoint_not_found")
        api.refused("PATCH", "/v1/endpoints/crm", {"sign": {"kind": "no"}}, field="sign.kind")
        api.put("/v1/endpoints/plain", {"url": receiver.url, "types": [], "sign": {"kind": "none"}})
        api.refused("PATCH", "/v1/endpoints/plain", {"sign": {"kind": "v1"}, "format": "nowhere"}, field="format")
        named = api.patch("/v1/endpoints/plain", {"sign": {"kind": "v1", "secret": "endpoint/crm"}})
        check("signing_secret" not in named, "it names one")
        equal([(one["name"], [by["name"] for by in one["named_by"]]) for one in api.get("/v1/secrets")["secrets"]], [("endpoint/crm", ["crm", "plain"])], "who names it")
        api.delete("/v1/endpoints/crm")
        equal([one["name"] for one in api.get("/v1/secrets")["secrets"]], ["endpoint/crm"], "another one needs it still")
        api.delete("/v1/endpoints/plain")
        made = api.put("/v1/endpoints/edwards", {"url": receiver.url, "types": ["*"], "sign": {"kind": "v1a"}})
        check(made["signing_secret"].startswith("whsk_"), "an Ed25519 key")
        [public] = api.get("/v1/endpoints/edwards/public-key")["public_keys"]
        api.post("/v1/messages", {"type": "note"})
        check(verified(base64.b64decode(public.removeprefix("whpk_")), receiver.wait(2)), "verified by the public key")
        made_next = api.post("/v1/secrets/endpoint%2Fedwards/rotate")["value"]
        check(made_next.startswith("whsk_") and made_next != made["signing_secret"], "rotated: a key of the same kind")
        equal(len(api.get("/v1/endpoints/edwards/public-key")["public_keys"]), 2, "both count")
        api.put("/v1/endpoints/mover", {"url": mover.url, "types": ["move"]})
        api.refused("POST", "/v1/secrets/endpoint%2Fmover/rotate", {"make": "v2"}, field="make")
        check(api.post("/v1/secrets/endpoint%2Fmover/rotate", {"make": "v1a"})["value"].startswith("whsk_"), "from v1 to v1a")
        api.post("/v1/messages", {"type": "move"})
        check(mover.wait(1).headers["webhook-signature"].startswith("v1,"), "signed as before, until the endpoint says otherwise")
        api.patch("/v1/endpoints/mover", {"sign": {"kind": "v1a"}})
        [public] = api.get("/v1/endpoints/mover/public-key")["public_keys"]
        api.post("/v1/messages", {"type": "move"})
        check(verified(base64.b64decode(public.removeprefix("whpk_")), mover.wait(2)), "then by the Ed25519 key")
        api.delete("/v1/endpoints/mover")
        api.put("/v1/secrets/endpoint%2Fedwards", {"value": SIGNING})
        api.refused("GET", "/v1/endpoints/edwards/public-key", status=404, code="secret_not_found")
        api.refused("GET", "/v1/endpoints/nobody/public-key", status=404, code="endpoint_not_found")
        api.delete("/v1/endpoints/edwards")
        equal([one["name"] for one in api.get("/v1/secrets")["secrets"]], ["endpoint/crm"], "its own secret went with it")
        ruche.restart()
        again = ruche.api.put("/v1/endpoints/edwards", {"url": receiver.url, "types": [], "sign": {"kind": "v1a"}})
        check(again["signing_secret"] != made["signing_secret"], "a new one of that name has a new secret")


@story
def a_terminal_shows_again_what_is_typed(ruche):
    """While a value is asked for nothing that is typed is shown; whoever interrupts it, or ends it, gets the terminal back as it was."""
    try:
        here, there = os.openpty()
    except OSError as error:
        raise Skip(f"no terminal can be made here: {error}") from None
    shown = termios.tcgetattr(there)[3] & termios.ECHO
    for number in (signal.SIGINT, signal.SIGTERM):
        process = subprocess.Popen([harness.options.ruche, "secrets", "set", "typed"], stdin=there, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                   env={**os.environ, "RUCHE_URL": f"unix:{ruche.socket_path}", "RUCHE_TOKEN": ruche.token})
        process.stderr.read(5)  # it asks
        equal(termios.tcgetattr(there)[3] & termios.ECHO, 0, "hidden")
        process.send_signal(number)
        equal(process.wait(DEADLINE_S), -number, "it ends by that")
        process.stderr.close()
        equal(termios.tcgetattr(there)[3] & termios.ECHO, shown, "shown again")
    check(shown, "it was shown before")
    os.close(here)
    os.close(there)


@story
def secrets_on_the_command_line(ruche):
    """Values come from standard input or a file, never from words, and are printed nowhere; rotated, listed, sealed anew, deleted."""
    api = ruche.api
    check(b"no secret yet" in ruche.cli("secrets"), "nothing there yet says how to begin")
    ruche.cli("secrets", "set", "crm", CANARY, status=64)
    check("standard input" in ruche.cli_errors and CANARY not in ruche.cli_errors, f"never as a word: {ruche.cli_errors}")
    for value, status in ((b"", 65), (b"\n", 65), (b"\xff\xfe", 65), (b"x" * 70000, 65), (b"x" * 400000, 66)):
        ruche.cli("secrets", "set", "crm", status=status, stdin=value)
    equal(api.get("/v1/secrets")["secrets"], [], "nothing is kept of what is refused")
    said = [ruche.cli("secrets", "set", "crm", stdin=CANARY.encode() + b"\n")]
    equal(said[0], b"crm is stored, sealed\n", "stored")
    path = os.path.join(ruche.directory, "value")
    with open(path, "w", encoding="utf-8") as file:
        file.write(SIGNING + "\n")
    said += [ruche.cli("secrets", "set", "endpoint/crm", "--file", path), ruche.cli("secrets", "rotate", "crm", "--file", "-", "--overlap", "1h", stdin=b"other " + CANARY.encode())]
    check(b"still count for 1 h" in said[2], said[2])
    with Daemon("--deliver-allow", "127.0.0.0/8") as other, Receiver(200) as receiver:
        other.cli("secrets", "set", "endpoint/crm", "--file", path)
        other.api.put("/v1/endpoints/crm", {"url": receiver.url, "types": ["*"]})
        made = re.search(r"told once: (whsec_\S+)", other.cli("secrets", "rotate", "endpoint/crm").decode()).group(1)
        other.cli("send", "note")
        received = receiver.wait(1)
        check(signed_by(received, KEY) and signed_by(received, base64.b64decode(made.removeprefix("whsec_"))), "the last newline is cut, and both sign")
        check(b"told once: whsk_" in other.cli("secrets", "rotate", "endpoint/crm", "--make", "v1a"), "a key of another kind")
        other.cli("secrets", "rotate", "endpoint/crm", "--make", "v2", status=65)
    rows = [line.split() for line in ruche.cli("secrets", "list").decode().splitlines()]
    equal([row[:3] for row in rows[1:]], [["crm", "store", "2,"], ["endpoint/crm", "store", "1"]], "listed")
    said += [ruche.cli("secrets", "list"), ruche.cli("secrets", "list", "--json"), ruche.cli("secrets", "rekey")]
    check(b"0 secrets were sealed anew" in said[-1], said[-1])
    with open(ruche.store + ".key", encoding="ascii") as file:
        old = file.read()
    replace(ruche.store + ".key", base64.b64encode(bytes(range(32))).decode() + "\n" + old)
    ruche.process.send_signal(signal.SIGHUP)
    until(lambda: "reload.done" in ruche.log(), "both keys were read")
    equal(json.loads(ruche.cli("secrets", "rekey", "--json")), {"rekeyed": 2, "left": 0}, "under the new key")
    for words, status in ((("rotate", "none", "--file", path), 66), (("rotate", "crm"), 65), (("rotate", "crm", "--overlap", "soon"), 64), (("rotate", "crm", "--overlap", "8d", "--file", path), 65),
                          (("delete", "crm"), 64), (("delete", "none", "--yes"), 66), (("set",), 64), (("rekey", "crm"), 64), (("set", "no name", "--file", path), 65)):
        ruche.cli("secrets", *words, status=status)
        said.append(ruche.cli_errors.encode())
    check(not any(CANARY.encode() in text or SIGNING[6:].encode() in text for text in said), "a value was printed")
    equal(ruche.cli("secrets", "delete", "crm", "--yes"), b"crm is deleted\n", "deleted")


@story
def no_core_dumps_by_default():
    """The kernel is told to make none."""
    with Daemon() as daemon:
        with open(f"/proc/{daemon.process.pid}/limits", encoding="utf-8") as limits:
            words = next(line for line in limits if line.startswith("Max core file size")).split()
        equal(words[4:6], ["0", "0"], "limits of a core file")


if __name__ == "__main__":
    run()
