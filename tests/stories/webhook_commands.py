"""Webhooks on the command line: send, endpoints, messages, deliveries."""

import json
import os
import tempfile

from harness import Daemon, Receiver, check, equal, run, story


def shown(text, key):
    """The value beside a key in a table of two columns."""
    [line] = [line for line in text.decode().splitlines() if line.split(" ")[0] == key]
    return line[len(key):].strip()


@story
def an_endpoint_is_made_changed_and_deleted(ruche):
    """`set` makes an endpoint, then changes what is named; --file says all; names and reasons of what is refused."""
    api = ruche.api
    check(b"no endpoint yet" in ruche.cli("endpoints"), "nothing there yet says how to begin")
    for words in (["list"], ["retry", "--all", "--state", "failed"], ["retry", "--all", "--endpoint", "crm", "--dry-run"]):
        ruche.cli("deliveries", *words, status=66)
        check(f"deliveries {words[0]}: there is no endpoint yet" in ruche.cli_errors, f"and so do deliveries: {ruche.cli_errors}")
    ruche.cli("endpoints", "set", "crm", "concurrency=4", status=65)
    check("url" in ruche.cli_errors, f"a new one without url: {ruche.cli_errors}")
    ruche.cli("endpoints", "show", "crm", status=66)
    check("endpoint_not_found" in ruche.cli_errors, f"nothing is made of what is refused: {ruche.cli_errors}")
    ruche.cli("endpoints", "set", "crm", "url=https://crm.example.org/things", "auth.kind=bearer", "auth.secret=crm-token", status=65)
    check("auth.secret: There is no secret 'crm-token'" in ruche.cli_errors, f"a secret that is not there: {ruche.cli_errors}")
    ruche.cli("secrets", "set", "crm-token", stdin=b"let me in")
    said = ruche.cli("endpoints", "set", "crm", "url=https://crm.example.org/things", 'types=["fiche.*","note"]', "concurrency=4", "auth.kind=bearer", "auth.secret=crm-token")
    check(said.startswith(b"crm is set: 10 attempts over ") and said.count(b"whsec_") == 1, said)
    ruche.cli("endpoints", "set", "crm", "timeout_ms=3000", "retry.kind=list", "retry.list_ms=[60000,600000]", "retry.max_attempts=3")
    settings = json.loads(ruche.cli("endpoints", "show", "crm", "--json"))["settings"]
    equal((settings["types"], settings["concurrency"], settings["timeout_ms"], settings["auth"]["secret"]), (["fiche.*", "note"], 4, 3000, "crm-token"),
          "what was named, and what stays")
    text = ruche.cli("endpoints", "show", "crm")
    equal([shown(text, key) for key in ("name", "state", "retries", "held", "health.state", "url", "types", "timeout_ms", "retry.list_ms", "channels")],
          ["crm", "enabled", "3 attempts over 11 min", "0", "ok", "https://crm.example.org/things", "fiche.*, note", "3000", "60000, 600000", "-"], "shown")
    ruche.cli("endpoints", "set", "crm", "no_such=1", status=65)
    check("no_such" in ruche.cli_errors, f"a key that is not known: {ruche.cli_errors}")
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "crm.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"url": "https://other.example.org/", "types": ["*"]}, file)
        ruche.cli("endpoints", "set", "crm", "--file", path)
    settings = api.get("/v1/endpoints/crm")["settings"]
    equal((settings["types"], settings["concurrency"], settings["timeout_ms"]), (["*"], 10, 15000), "--file: the rest has its default")
    ruche.cli("endpoints", "set", "crm", '{"concurrency": 2}')
    ruche.cli("endpoints", "set", "crm", status=64)
    ruche.cli("endpoints", "set", "away", "url=https://away.example.org/", "types=[]", "--namespace", "tenant")
    equal([one["name"] for one in api.get("/v1/endpoints?namespace=tenant")["endpoints"]], ["away"], "of another namespace")
    listed = ruche.cli("endpoints", "list").decode().splitlines()
    equal((len(listed), listed[1].split()), (2, ["crm", "enabled", "ok", "0", "0", "0", "0", "*", "https://other.example.org/"]), "listed")
    ruche.cli("endpoints", "set", "dms", "url=https://dms.example.org/", "types=[]")
    page = json.loads(ruche.cli("endpoints", "list", "--limit", "1", "--json"))
    rest = ruche.cli("endpoints", "list", "--limit", "1", "--cursor", page["next_cursor"]).decode()
    check("dms" in rest and "crm" not in rest, f"the second page: {rest}")
    ruche.cli("endpoints", "delete", "crm", status=64)
    check("--yes" in ruche.cli_errors, f"it is asked before: {ruche.cli_errors}")
    equal(ruche.cli("endpoints", "delete", "crm", "--yes"), b"crm is deleted\n", "deleted")
    ruche.cli("endpoints", "delete", "crm", "--yes", status=66)


@story
def an_endpoint_is_paused_and_resumed(ruche):
    """pause, disable: what is sent is held; resume, enable: it goes on."""
    api = ruche.api
    api.put("/v1/endpoints/crm", {"url": "https://crm.example.org/things", "types": ["fiche.*"]})
    for words, state, reason in (("pause", "paused", "by_hand"), ("resume", "enabled", None), ("disable", "disabled", "by_hand"), ("enable", "enabled", None),
                                 ("pause", "paused", "by_hand")):
        said = ruche.cli("endpoints", words, "crm").decode()
        check(said.startswith(f"crm is {state}"), f"{words}: {said}")
        endpoint = api.get("/v1/endpoints/crm")
        equal((endpoint["state"], endpoint["reason"]), (state, reason), words)
        ruche.cli("endpoints", words, "nobody", status=66)
        ruche.cli("endpoints", words, status=64)
    ruche.cli("send", "fiche.made")
    text = ruche.cli("endpoints", "show", "crm")
    equal((shown(text, "state"), shown(text, "held")), ("paused (by_hand)", "1"), "shown")
    equal(json.loads(ruche.cli("endpoints", "pause", "crm", "--json"))["held"], 1, "--json")


@story
def a_message_is_sent(ruche):
    """From a word, a file or standard input; what becomes of it is said; what is refused is not kept."""
    api = ruche.api
    for name, settings in (("crm", {}), ("paris", {"channels": ["paris"]})):
        api.put(f"/v1/endpoints/{name}", {"url": "https://crm.example.org/things", "types": ["fiche.*"], **settings})
        api.post(f"/v1/endpoints/{name}/pause")

    def kept(said):
        return api.get(f"/v1/messages/{said.split()[0].decode()}?payload")

    said = ruche.cli("send", "fiche.made", '{"a": 1}', "--entity", "f1", "--key", "k1", "--channel", "lyon", "--channel", "nice", "--deleted")
    check(said.endswith(b" to 1 endpoint\n"), said)
    message = kept(said)
    equal([message[key] for key in ("type", "payload", "entity", "key", "channels", "deleted")], ["fiche.made", {"a": 1}, "f1", "k1", ["lyon", "nice"], True], "kept")
    again = ruche.cli("send", "fiche.made", "--key", "k1")
    equal(again.decode(), message["id"] + " (duplicate: the message was there already)\n", "the same key again")
    said = ruche.cli("send", "fiche.made", "-", stdin=b'{"from": "standard input"}')
    check(said.endswith(b" to 2 endpoints\n"), said)
    equal((kept(said)["payload"], kept(said)["deleted"]), ({"from": "standard input"}, False), "from standard input")
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "payload.json")
        with open(path, "w", encoding="utf-8") as file:
            file.write("[1, 2]\n")
        equal(kept(ruche.cli("send", "fiche.made", "@" + path))["payload"], [1, 2], "from a file")
        ruche.cli("send", "fiche.made", "@" + path + ".not", status=66)
        equal(kept(ruche.cli("send", "fiche.made", "--metadata", '{"by": "ada"}'))["metadata"], {"by": "ada"}, "metadata")
        with open(path, "w", encoding="utf-8") as file:
            file.write('{"from": "a file"}\n')
        equal(kept(ruche.cli("send", "fiche.made", "-m", "@" + path))["metadata"], {"from": "a file"}, "metadata from a file")
        for wrong, status in (("[1]", 64), ("{", 64), ("", 64), ("@" + path + ".not", 66)):
            ruche.cli("send", "fiche.made", "--metadata", wrong, status=status)
    sent = json.loads(ruche.cli("send", "note", "--endpoint", "paris", "--json"))
    equal((sent["matched"], sent["deliveries"]), (1, 1), "for one endpoint, whatever it wants")
    nobody = ruche.cli("send", "note", "--namespace", "elsewhere")
    check(b"no endpoint wants it" in nobody, nobody)
    equal(kept(nobody)["namespace"], "elsewhere", "kept all the same")
    count = len(api.get("/v1/messages")["messages"])
    ruche.cli("send", "note", "--require-match", status=65)
    check("no_endpoint" in ruche.cli_errors, ruche.cli_errors)
    ruche.cli("send", "note", "--endpoint", "nobody", status=66)
    ruche.cli("send", "not a type", status=65)
    check("type" in ruche.cli_errors, ruche.cli_errors)
    ruche.cli("send", "note", "text", status=65)
    check("""ruche send note '"text"'""" in ruche.cli_errors, f"it says how text is written: {ruche.cli_errors}")
    ruche.cli("send", status=64)
    ruche.cli("send", "note", "1", "2", status=64)
    equal(len(api.get("/v1/messages")["messages"]), count, "messages after what was refused")


@story
def messages_are_looked_at(ruche):
    """Listed by type, entity and time, page by page; one with all that is known of it, or its payload alone."""
    api = ruche.api
    check(b"no message matches" in ruche.cli("messages"), "nothing there yet")
    api.put("/v1/endpoints/crm", {"url": "https://crm.example.org/things", "types": ["*"]})
    api.post("/v1/endpoints/crm/pause")
    made = api.post("/v1/messages", {"type": "fiche.made", "entity": "f1", "key": "k1", "channels": ["lyon", "nice"], "payload": {"a": "\u00e9"}, "metadata": {"by": "me"}})["id"]
    gone = api.post("/v1/messages", {"type": "fiche.gone", "entity": "f2", "deleted": True})["id"]
    note = api.post("/v1/messages", {"type": "note"})["id"]

    def listed(*words):
        return [line.split()[0] for line in ruche.cli("messages", "list", *words).decode().splitlines()[1:]]

    equal(listed(), [note, gone, made], "the newest first")
    equal((listed("--type", "fiche.*"), listed("--type", "note"), listed("--entity", "f1")), ([gone, made], [note], [made]), "by type and entity")
    equal(listed("--since", "2020-01-01T00:00:00Z", "--until", "2020-01-02T00:00:00Z"), [], "by time")
    equal((listed("--since", "1h"), listed("--since", "2d", "--until", "1h")), ([note, gone, made], []), "by age")
    for wrong in ("1 hour", "3600000", "-1h"):
        ruche.cli("messages", "list", "--since", wrong, status=65)
        check("since: " in ruche.cli_errors, f"neither an instant nor an age: {ruche.cli_errors}")
    dry = ruche.cli("endpoints", "recover", "crm", "--since", "1h", "--until", "0s", "--dry-run")
    check(dry.startswith(b"0 deliveries would be sent"), dry)
    equal([len(ruche.cli("deliveries", "list", option, "1h").splitlines()) for option in ("--since", "--until")], [4, 1], "deliveries by age")
    equal([len(ruche.cli("jobs", "list", "--queue", "webhooks", option, "1h").splitlines()) for option in ("--created-after", "--created-before")], [4, 1], "and jobs")
    row = ruche.cli("messages", "list", "--entity", "f1").decode().splitlines()[1].split()
    equal(row[:5], [made, "fiche.made", "f1", "k1", "1"], "a row")
    equal(listed("--limit", "2"), [note, gone], "the first page")
    cursor = ruche.cli_errors.split()[-1]
    equal(listed("--limit", "2", "--cursor", cursor), [made], "the second page")
    api.post("/v1/messages", {"type": "note", "namespace": "tenant"})
    equal(len(listed("--namespace", "tenant")), 1, "of another namespace")
    text = ruche.cli("messages", "show", made)
    equal([shown(text, key) for key in ("message", "type", "entity", "key", "channels", "deliveries", "metadata")],
          [made, "fiche.made", "f1", "k1", "lyon, nice", "1", '{"by": "me"}'], "shown")
    check(shown(text, "payload").endswith(" bytes"), text)
    check(b"its entity is gone" in ruche.cli("messages", "show", gone[4:]), "by its uid; one of what is gone")
    equal(json.loads(ruche.cli("messages", "show", made, "--json"))["payload"], {"a": "\u00e9"}, "--json")
    equal(json.loads(ruche.cli("messages", "show", made, "--payload")), {"a": "\u00e9"}, "--payload")
    ruche.cli("messages", "show", "msg_0000000000000", status=66)
    check("message_not_found" in ruche.cli_errors, ruche.cli_errors)
    ruche.cli("messages", "show", status=64)


@story
def what_a_message_said_is_forgotten(ruche):
    """expunge: asked before, for good; that it was sent stays known."""
    api = ruche.api
    sent = api.post("/v1/messages", {"type": "note", "entity": "e", "payload": {"name": "Ada"}, "metadata": {"by": "me"}})["id"]
    ruche.cli("messages", "expunge", sent, status=64)
    check("--yes" in ruche.cli_errors, f"it is asked before: {ruche.cli_errors}")
    equal(api.get(f"/v1/messages/{sent}?payload")["payload"], {"name": "Ada"}, "not yet")
    equal(ruche.cli("messages", "expunge", sent, "--yes").decode(), f"{sent} is expunged: what it said is forgotten\n", "said")
    kept = api.get(f"/v1/messages/{sent}?payload")
    equal((kept["payload"], kept["metadata"], kept["expunged"], kept["entity"]), (None, None, True, "e"), "what is left")
    equal(shown(ruche.cli("messages", "show", sent), "expunged"), "what it said is forgotten", "shown")
    ruche.cli("messages", "expunge", sent, "--yes")
    ruche.cli("messages", "expunge", "msg_0000000000001", "--yes", status=66)
    check("message_not_found" in ruche.cli_errors, ruche.cli_errors)
    ruche.cli("messages", "expunge", "--yes", status=64)


@story
def public_keys_are_told(ruche):
    """public-key: the current one first; of who does not sign so, or is not there, none."""
    api = ruche.api
    said = ruche.cli("endpoints", "set", "signed", "url=https://crm.example.org/things", "types=[]", "sign.kind=v1a").decode()
    check("'ruche endpoints public-key signed'" in said, f"it says how to have it: {said}")
    [first] = ruche.cli("endpoints", "public-key", "signed").decode().splitlines()
    check(first.startswith("whpk_"), first)
    ruche.cli("secrets", "rotate", "endpoint/signed")
    keys = ruche.cli("endpoints", "public-key", "signed").decode().splitlines()
    equal((keys, keys[1], len(set(keys))), (api.get("/v1/endpoints/signed/public-key")["public_keys"], first, 2), "the new one first")
    equal(json.loads(ruche.cli("endpoints", "public-key", "signed", "--json")), {"public_keys": keys}, "--json")
    ruche.cli("endpoints", "set", "crm", "url=https://crm.example.org/things", "types=[]")
    ruche.cli("endpoints", "public-key", "crm", status=65)
    check("illegal_state" in ruche.cli_errors, ruche.cli_errors)
    ruche.cli("endpoints", "public-key", "nobody", status=66)
    ruche.cli("endpoints", "public-key", status=64)


@story
def an_endpoint_is_asked(ruche):
    """poll: a line a message, whatever its body; the place to go on at; it waits when told to."""
    api = ruche.api
    ruche.cli("endpoints", "set", "warehouse", "kind=poll", 'types=["order.*"]', "format=raw")

    def asked(*words):
        lines = ruche.cli("endpoints", "poll", "warehouse", *words).decode().splitlines()
        return lines, ruche.cli_errors.split()[-1]

    lines, place = asked()
    equal(lines, [], "nothing there yet")
    check(ruche.cli_errors.startswith("nothing new; the next ones: add --after "), ruche.cli_errors)
    ids = [json.loads(ruche.cli("send", "order.placed", "-", *words, "--json", stdin=body))["id"]
           for words, body in ((("--entity", "o7"), b'{\n "order":\r\n 7\n}'), ((), b'"two\\nlines"'), ((), b"3"))]
    told = [f'{ids[0]} order.placed o7 {{  "order":   7 }}', f'{ids[1]} order.placed - "two\\nlines"', f"{ids[2]} order.placed - 3"]
    equal(asked("--after", place)[0], told, "a line each")
    lines, place = asked("--limit", "2")
    equal(lines, told[:2], "the first ones")
    check(ruche.cli_errors.startswith("more: add --after "), ruche.cli_errors)
    lines, place = asked("--after", place, "--wait", "90s")
    equal(lines, told[2:], "the rest, at once")
    check(ruche.cli_errors.startswith("the next ones: add --after "), ruche.cli_errors)
    asked("--after", place, "--wait", "1ms")
    check(ruche.cli_errors.startswith("nothing new"), "nothing came")
    answer = json.loads(ruche.cli("endpoints", "poll", "warehouse", "--json"))
    equal(([one["id"] for one in answer["data"]], answer["done"], answer["gap"]), (ids, True, False), "--json")
    seq, uid, at = answer["next"].split(".")
    asked("--after", f"{int(seq) + 1000}.{uid}.{at}")
    check(ruche.cli_errors.startswith("messages before these may be missing"), f"a place of another life: {ruche.cli_errors}")
    for words, field in ((("--after", "x"), "after"), (("--limit", "0"), "limit"), (("--wait", "6m"), "wait_ms"), (("--wait", "9223372036854775807"), "wait_ms")):
        ruche.cli("endpoints", "poll", "warehouse", *words, status=65)
        check(f"{field}: " in ruche.cli_errors, ruche.cli_errors)
    ruche.cli("endpoints", "poll", "warehouse", "--wait", "long", status=64)
    ruche.cli("endpoints", "poll", status=64)
    ruche.cli("endpoints", "poll", "nobody", status=66)
    api.put("/v1/endpoints/crm", {"url": "https://crm.example.org/things", "types": ["*"]})
    ruche.cli("endpoints", "poll", "crm", status=65)
    check("illegal_state" in ruche.cli_errors, ruche.cli_errors)


@story
def deliveries_are_looked_at_and_retried():
    """By endpoint and state; one with its attempts; sent again under the same id; other jobs are left alone."""
    with Receiver("500", "200") as third, Daemon("--deliver-allow", "127.0.0.0/8") as ruche:
        api = ruche.api
        ruche.cli("endpoints", "set", "crm", f"url=http://127.0.0.1:{third.port}/hook", 'types=["*"]', "sign.kind=none", "retry.max_attempts=1")
        ruche.cli("endpoints", "set", "dms", "url=https://dms.example.org/", 'types=["*"]')
        ruche.cli("endpoints", "pause", "dms")
        sent = json.loads(ruche.cli("send", "fiche.made", '{"a": 1}', "--json"))["id"]
        uid = api.get("/v1/jobs?queue=webhooks&group=crm")["jobs"][0]["uid"]
        equal(api.wait(uid)["state"], "failed", "the first call")

        def listed(*words):
            return [line.split()[:5] for line in ruche.cli("deliveries", "list", *words).decode().splitlines()[1:]]

        equal(listed("--endpoint", "crm"), [[uid, "crm", sent, "fiche.made", "failed"]], "of an endpoint")
        equal([row[1] for row in listed("--oldest")], ["crm", "dms"], "all")
        equal(([row[1] for row in listed("--state", "failed")], listed("--state", "completed"), len(listed("--type", "fiche.made"))), (["crm"], [], 2), "by state and type")
        text = ruche.cli("deliveries", "show", uid)
        equal([shown(text, key) for key in ("message", "endpoint", "state")], [sent, "crm", "failed"], "shown")
        check(b"500" in text, f"its attempt: {text}")
        equal(json.loads(ruche.cli("deliveries", "show", uid, "--json"))["delivery"]["message"], sent, "--json")
        said = ruche.cli("deliveries", "retry", uid).decode()
        check(said.startswith(f"retried {uid}: now "), said)
        equal(api.wait(uid)["state"], "completed", "the second call")
        equal([one.headers["webhook-id"] for one in third.received], [sent, sent], "the id of both calls")
        equal(json.loads(ruche.cli("deliveries", "retry", uid, "--delay", "1h", "--json"))["state"], "delayed", "not before")
        ruche.cli("deliveries", "retry", uid, status=65)
        check("illegal_state" in ruche.cli_errors, ruche.cli_errors)
        other = api.enqueue("sheets", {})["uid"]
        for words in ("show", "retry"):
            ruche.cli("deliveries", words, other, status=65)
            check("not a delivery" in ruche.cli_errors, ruche.cli_errors)
            ruche.cli("deliveries", words, status=64)
        ruche.cli("deliveries", "list", "--namespace", "elsewhere", status=66)
        check("ruche endpoints set" in ruche.cli_errors and ruche.cli_errors.count("\n") == 1, f"where no endpoint ever was: {ruche.cli_errors}")


run()
