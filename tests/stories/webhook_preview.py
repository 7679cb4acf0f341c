"""What a format would make of messages that are stored, before it is put and before anybody is called."""

import json
import os

from harness import Daemon, Receiver, check, equal, run, story


def outputs(answer):
    return [one["output"] for one in answer["previews"]]


def sent(api, *payloads, **message):
    """The ids of messages, in the order in which they were sent."""
    return [api.post("/v1/messages", {"type": "fiche.updated", "payload": payload, **message}, status=201)["id"] for payload in payloads]


@story
def a_program_is_tried_before_it_is_put(ruche):
    """The newest first; errors in jq's words, each its own message's; nothing is stored or sent."""
    api = ruche.api
    api.put("/v1/endpoints/crm", {"url": "https://crm.example.org/", "types": ["*"]})
    api.post("/v1/endpoints/crm/pause")
    ids = sent(api, *({"n": n} for n in range(7)), {"n": "text"})
    program = 'if .payload.n == 3 then empty elif .payload.n == 4 then null elif .payload.n == 5 then 1, 2 else {n: (.payload.n + 1), type: .message.type} end'
    answer = api.post("/v1/formats/new/preview", {"program": program, "last": 7})
    equal((answer["format"], answer["stopped"], [one["message"] for one in answer["previews"]]), ("new", False, ids[:0:-1]), "which, the newest first")
    kinds = [next(key for key in ("output", "filtered", "error") if key in one) for one in answer["previews"]]
    equal(kinds, ["error", "output", "error", "filtered", "filtered", "output", "output"], "what comes of each")
    check("cannot be added" in answer["previews"][0]["error"] and "first(" in answer["previews"][2]["error"], f"jq's words: {answer['previews']}")
    equal(answer["previews"][1]["output"], {"n": 7, "type": "fiche.updated"}, "an output")
    check(all("wanted" not in one and one["us"] >= 0 for one in answer["previews"]), "no endpoint was named")
    equal(len(api.post("/v1/formats/new/preview", {"program": "."})["previews"]), 5, "how many by itself")
    api.refused("GET", "/v1/formats/new", status=404, code="format_not_found")
    equal(api.get("/v1/endpoints/crm")["held"], 8, "deliveries, none of them ours")
    api.put("/v1/formats/new", {"program": ".payload.n"})
    equal(outputs(api.post("/v1/formats/new/preview", {"last": 2})), ["text", 6], "the stored one")
    equal(outputs(api.post("/v1/formats/new/preview", {"last": 1, "program": ".payload"})), [{"n": "text"}], "instead of the stored one")
    equal(api.get("/v1/formats/new")["program"], ".payload.n", "which stays")


@story
def messages_are_chosen(ruche):
    """By type, entity or id; by what an endpoint wants; not by what was forgotten."""
    api = ruche.api
    api.put("/v1/endpoints/crm", {"url": "https://crm.example.org/", "types": ["fiche.*"], "channels": ["paris"], "filter": {"open": True}, "tags": ["t"],
                                  "metadata": {"base": 7}})
    [plain] = sent(api, {"open": True, "n": 1}, entity="e1")
    [lyon] = sent(api, {"open": True, "n": 2}, channels=["lyon"])
    [closed] = sent(api, {"open": False, "n": 3}, channels=["paris"])
    [note] = sent(api, {"open": True, "n": 4}, type="note", metadata={"m": 1})
    [elsewhere] = sent(api, {"n": 5}, namespace="tenant")

    def tried(**body):
        return api.post("/v1/formats/new/preview", {"program": ".payload.n", **body})

    equal(outputs(tried()), [4, 3, 2, 1], "all of the namespace")
    equal(outputs(tried(type="fiche.*")), [3, 2, 1], "by type")
    equal(outputs(tried(entity="e1")), [1], "by entity")
    equal(outputs(tried(message=note)), [4], "by id")
    equal(outputs(tried(message=note.removeprefix("msg_"))), [4], "by uid")
    equal([(one["output"], one["wanted"]) for one in tried(endpoint="crm")["previews"]], [(3, False), (1, True)], "of an endpoint's types and channels; and its filter")
    equal([(one["output"], one["wanted"]) for one in tried(endpoint="crm", type="*")["previews"]], [(4, False), (3, False), (2, False), (1, True)], "of any type")
    whole = tried(program=".", endpoint="crm", message=note)["previews"][0]["output"]
    equal((whole["endpoint"], whole["message"]["metadata"], whole["attempt"], whole["external_id"]), ({"name": "crm", "tags": ["t"], "metadata": {"base": 7}}, {"m": 1}, 1, None),
          "what a program is told")
    equal(tried(program=".endpoint", message=note)["previews"][0]["output"], {"name": None, "tags": [], "metadata": {}}, "without an endpoint")
    equal(outputs(api.post("/v1/formats/new/preview?namespace=tenant", {"program": ".payload.n"})), [5], "another namespace")
    for body, field in (({"message": elsewhere}, "message"), ({"message": "msg_0000000000000"}, "message"), ({"message": "what"}, "message"),
                        ({"endpoint": "nobody"}, "endpoint"), ({"program": "{"}, "program"), ({"program": 5}, "program"), ({"last": 21}, "last"), ({"last": 0}, "last"),
                        ({"message": note, "type": "note"}, "message"), ({"no": 1}, "no")):
        api.refused("POST", "/v1/formats/new/preview", {"program": ".", **body}, field=field)
    problem = api.refused("POST", "/v1/formats/new/preview", {"program": "{"}, field="program")
    check("syntax error" in problem["detail"], problem["detail"])
    api.refused("POST", "/v1/formats/new/preview", {}, status=404, code="format_not_found")
    api.refused("POST", "/v1/formats/raw/preview", {"program": "."}, field="program")
    api.delete(f"/v1/messages/{closed}/content")
    equal(outputs(tried()), [4, 2, 1], "what was forgotten is passed over")
    api.refused("POST", "/v1/formats/new/preview", {"program": ".", "message": closed}, field="message")
    equal(lyon != plain, True, "ids differ")


@story
def built_in_formats_and_endpoints(ruche):
    """Built-in formats, with their headers; an endpoint's own format over what it wants."""
    api = ruche.api
    [id_, ] = sent(api, {"a": 1, "b": "x y"}, entity="e")
    at = api.get(f"/v1/messages/{id_}")["created_at"]
    [one] = api.post("/v1/formats/default/preview")["previews"]
    equal(one["output"], {"type": "fiche.updated", "timestamp": at, "data": {"a": 1, "b": "x y"}}, "default")
    equal(outputs(api.post("/v1/formats/raw/preview")), [{"a": 1, "b": "x y"}], "raw")
    equal(outputs(api.post("/v1/formats/form/preview")), ["a=1&b=x+y"], "form: a text")
    [one] = api.post("/v1/formats/cloudevents-binary/preview")["previews"]
    equal((one["output"], one["headers"]["ce-id"], one["headers"]["ce-subject"]), ({"a": 1, "b": "x y"}, id_, "e"), "binary: headers")
    sent(api, [1])
    check("object" in api.post("/v1/formats/form/preview", {"last": 1})["previews"][0]["error"], "what cannot be a form")
    api.put("/v1/formats/small", {"program": "[.endpoint.name, .payload.a]"})
    api.put("/v1/endpoints/crm", {"url": "https://crm.example.org/", "types": ["fiche.*"], "format": "small", "filter": {"a": {"$exist": True}}})
    sent(api, {"a": 2})
    sent(api, {"a": 3}, type="note")
    answer = api.post("/v1/endpoints/crm/preview", {"last": 3})
    equal((answer["format"], [(one.get("output"), one["wanted"]) for one in answer["previews"] if "output" in one]), ("small", [(["crm", 2], True), (["crm", 1], True)]), "an endpoint's own")
    equal(outputs(api.post("/v1/endpoints/crm/preview", {"program": ".endpoint.name", "last": 1})), ["crm"], "with another program")
    api.patch("/v1/endpoints/crm", {"format": "raw"})
    equal(outputs(api.post("/v1/endpoints/crm/preview", {"last": 1})), [{"a": 2}], "with a built-in format")
    api.refused("POST", "/v1/endpoints/nobody/preview", status=404, code="endpoint_not_found")
    api.refused("POST", "/v1/endpoints/crm/preview", {"endpoint": "crm"}, field="endpoint")


@story
def what_the_other_side_calls_it():
    """A program is told the external id that the endpoint was answered."""
    def answers(client, _):
        client.sendall(b'HTTP/1.1 201 Made\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{"id":"rec1"}')

    with Daemon("--deliver-allow", "127.0.0.0/8") as ruche, Receiver(answers) as third:
        api = ruche.api
        api.put("/v1/endpoints/crm", {"url": third.url, "types": ["*"], "external_id": "$.id"})
        sent(api, {}, entity="e")
        [uid] = [job["uid"] for job in api.get("/v1/jobs?queue=webhooks")["jobs"]]
        api.wait(uid)
        equal(outputs(api.post("/v1/endpoints/crm/preview", {"program": ".external_id"})), ["rec1"], "known")
        equal(outputs(api.post("/v1/formats/new/preview", {"program": "[.external_id]"})), [[None]], "to nobody in particular")


@story
def an_endless_program_is_stopped():
    """By the bounds of the configuration, after its first message: it does not hold up the others' programs for long."""
    with Daemon("--formats-wall-ms", "3s", "--formats-cpu-ms", "30s", "--formats-helpers", "1") as ruche:
        api = ruche.api
        sent(api, *range(4))
        answer = api.post("/v1/formats/new/preview", {"program": "def f: f; f"})
        equal((answer["stopped"], len(answer["previews"])), (True, 1), "it was stopped")
        check("longer than 3000 ms" in answer["previews"][0]["error"], answer["previews"])
        equal(outputs(api.post("/v1/formats/new/preview", {"program": ".payload"})), [3, 2, 1, 0], "others go on")
    with Daemon("--formats-wall-ms", "30s", "--formats-cpu-ms", "100ms") as ruche:
        sent(ruche.api, 1)
        answer = ruche.api.post("/v1/formats/new/preview", {"program": "def f: f; f"})
        check("100 ms of processor time" in answer["previews"][0]["error"], answer["previews"])


@story
def formats_on_the_command_line(ruche):
    """set, show, list, preview, delete; from a word, a file and standard input; what is refused changes nothing."""
    api = ruche.api
    check(b"no format yet" in ruche.cli("formats"), "nothing there yet says how to begin")
    check(b"no message to try it on" in ruche.cli("formats", "preview", "titles", "."), "no message yet")
    sent(api, {"title": "Bees", "open": True}, {"title": "Wax"}, "text", entity="e1")
    text = ruche.cli("formats", "preview", "titles", ".payload | select(.open) | {title}", "--last", "3", status=1).decode().splitlines()
    equal([line.strip() for line in text[1::2]], [text[1].strip(), "filtered: nothing is sent", '{"title":"Bees"}'], "tried")
    check(text[1].startswith("    error: Cannot index string") and text[2].startswith("msg_") and "fiche.updated  e1  " in text[2], text)
    ruche.cli("formats", "show", "titles", status=66)
    equal(json.loads(ruche.cli("formats", "preview", "titles", ".payload", "--json"))["previews"][0]["output"], "text", "--json")
    ruche.cli("formats", "preview", "titles", ".payload.open", "--json", status=1)
    ruche.cli("formats", "set", "titles", "{", status=65)
    check("program: The program does not compile: " in ruche.cli_errors and "syntax error" in ruche.cli_errors, ruche.cli_errors)
    ruche.cli("formats", "show", "titles", status=66)
    program = ".payload\n| {title}\n"
    check(b"titles is set" in ruche.cli("formats", "set", "titles", "--file", "-", "--description", "titles only", stdin=program.encode()), "set")
    equal(ruche.cli("formats", "show", "titles", "--program").decode(), program, "its program, byte for byte")
    path = os.path.join(ruche.directory, "titles.jq")
    with open(path, "w", encoding="utf-8") as file:
        file.write(".payload.title")
    ruche.cli("formats", "set", "titles", "--file", path)
    shown = ruche.cli("formats", "show", "titles").decode()
    check("description  titles only\n" in shown and shown.endswith("\n\n.payload.title\n"), f"the description stays: {shown}")
    ruche.cli("formats", "set", "titles", ".payload.title", "--description", "")
    check("description" not in ruche.cli("formats", "show", "titles").decode(), "the description goes")
    listed = ruche.cli("formats", "list").decode().splitlines()
    equal((len(listed), listed[1].split()[:2]), (2, ["titles", "14"]), "listed")
    check("used by      no endpoint\n" in ruche.cli("formats", "show", "titles").decode(), "who uses it: nobody")
    check(b"ce-type: fiche.updated" in ruche.cli("formats", "preview", "cloudevents-binary", "--last", "1"), "headers of a built-in one")
    api.put("/v1/endpoints/crm", {"url": "https://crm.example.org/", "types": ["note"]})
    check(b"no message" in ruche.cli("formats", "preview", "titles", "--endpoint", "crm"), "it wants none")
    check(b"does not want it" in ruche.cli("formats", "preview", "raw", "--endpoint", "crm", "--type", "fiche.*", "--last", "1"), "any, for it")
    ruche.cli("send", "steering", "1", "--entity", "\x1b[2Je")
    shown = ruche.cli("formats", "preview", "steers", ".message.entity | error(.)", "--type", "steering", status=1)
    check(shown.count(b"?[2Je") == 2 and b"\x1b" not in shown, f"nothing steers a terminal: {shown}")
    for words, status in ((("set", "titles"), 64), (("set", "titles", ".", "--file", path), 64), (("set", "titles", " "), 64), (("set",), 64), (("set", "titles", "--file", path + ".not"), 66),
                          (("set", "raw", "."), 65), (("preview",), 64), (("preview", "titles", "--last", "21"), 64), (("preview", "titles", "--message", "what"), 65),
                          (("preview", "nobody"), 66), (("delete", "titles"), 64), (("delete", "nobody", "--yes"), 66), (("shwo", "x"), 64)):
        ruche.cli("formats", *words, status=status)
    api.patch("/v1/endpoints/crm", {"format": "titles"})
    check(b"no message to try it on" in ruche.cli("endpoints", "preview", "crm"), "of an endpoint that wants none")
    sent(api, {"title": "Comb"}, type="note")
    equal(ruche.cli("endpoints", "preview", "crm").decode().splitlines()[1:], ['    "Comb"'], "what an endpoint would be sent")
    equal(ruche.cli("endpoints", "preview", "crm", "[.endpoint.name, .payload.title]", "--last", "1").decode().splitlines()[1:], ['    ["crm","Comb"]'], "by another program")
    ruche.cli("endpoints", "preview", "crm", "error(1)", status=1)
    for words, status in ((("nobody",), 66), ((), 64), (("crm", ".", "--file", path), 64), (("crm", "--endpoint", "crm"), 64), (("crm", "{"), 65)):
        ruche.cli("endpoints", "preview", *words, status=status)
    ruche.cli("formats", "delete", "titles", "--yes", status=65)
    check("crm" in ruche.cli_errors, f"who uses it: {ruche.cli_errors}")
    check("used by      crm\n" in ruche.cli("formats", "show", "titles").decode() and b"  crm" in ruche.cli("formats", "list"), "who uses it")
    api.patch("/v1/endpoints/crm", {"format": "raw"})
    equal(ruche.cli("formats", "delete", "titles", "--yes"), b"titles is deleted\n", "deleted")


@story
def who_may_see_it(ruche):
    """It shows payloads: operate and read; and of its own queues only."""
    api = ruche.api
    sent(api, {"secret": 1})
    for scopes, queues, status in ((["operate"], None, 403), (["read"], None, 403), (["operate", "read"], ["sheets"], 403), (["operate", "read"], ["webhooks"], 200),
                                   (["operate", "read"], None, 200)):
        other = api.again(api.post("/v1/tokens", {"name": "x", "scopes": scopes, **({"queues": queues} if queues else {})})["token"])
        answer = other.call("POST", "/v1/formats/new/preview", {"program": ".payload"}, status=status)
        check(status == 200 or b"secret" not in answer.body, answer.body)


@story
def a_helper_that_is_not_there():
    """A configured helper must be a program; doctor says so, too."""
    with Daemon() as ruche:
        helper = os.path.join(ruche.directory, "no-such")
        ruche.cli("serve", "--ephemeral", "--listen", f"unix:{ruche.directory}/other", "--store", f"{ruche.directory}/other.db", "--formats-helper", helper, status=78)
        check("formats.helper" in ruche.cli_errors and helper in ruche.cli_errors, ruche.cli_errors)
        found = ruche.cli("doctor", "--json", "--ephemeral", "--store", f"{ruche.directory}/other.db", env={"RUCHE_FORMATS_HELPER": helper}, status=1)
        [formats] = [one for one in json.loads(found)["checks"] if one["name"] == "formats"]
        equal(formats["result"], "fail", "doctor's word")


if __name__ == "__main__":
    run()
