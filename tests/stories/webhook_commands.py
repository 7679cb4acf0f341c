"""Webhooks on the command line: send, endpoints."""

import json
import os
import tempfile

from harness import check, equal, run, story


def shown(text, key):
    """The value beside a key in a table of two columns."""
    [line] = [line for line in text.decode().splitlines() if line.split(" ")[0] == key]
    return line[len(key):].strip()


@story
def an_endpoint_is_made_changed_and_deleted(ruche):
    """`set` makes an endpoint, then changes what is named; --file says all; names and reasons of what is refused."""
    api = ruche.api
    check(b"no endpoint yet" in ruche.cli("endpoints"), "nothing there yet says how to begin")
    ruche.cli("endpoints", "set", "crm", "concurrency=4", status=65)
    check("url" in ruche.cli_errors, f"a new one without url: {ruche.cli_errors}")
    ruche.cli("endpoints", "show", "crm", status=66)
    check("endpoint_not_found" in ruche.cli_errors, f"nothing is made of what is refused: {ruche.cli_errors}")
    said = ruche.cli("endpoints", "set", "crm", "url=https://crm.example.org/things", 'types=["fiche.*","note"]', "concurrency=4", "auth.kind=bearer", "auth.secret=crm-token")
    check(said.startswith(b"crm is set: 10 attempts over "), said)
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


run()
