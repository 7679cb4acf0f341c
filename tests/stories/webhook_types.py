"""The catalogue of event types: what messages tell of, for those who write endpoints; and, where only listed types are taken, what it lets through."""

import json
import os
import tempfile

from harness import Daemon, House, check, equal, run, story

OURS = ["delivery.exhausted", "endpoint.disabled", "endpoint.failing", "endpoint.recovered", "endpoint.test"]
SCHEMA = '{"type" : "object", "required":["id"], "properties":{"n":{"type":"number","maximum":1.50}}}'
LISTED = ("--webhooks-types", "listed")


def names(api, query=""):
    return [one["name"] for one in api.get(f"/v1/event-types{query}")["event_types"]]


@story
def a_catalogue_is_kept(ruche):
    """Put, looked at, changed, archived, listed in pages, deleted; a schema comes back byte for byte; all of it is there after a crash."""
    api = ruche.api
    equal(names(api), OURS, "ruche's own are there")
    made = api.post("/v1/event-types", {"name": "fiche.created", "description": "A fiche was made", "tags": ["fiches"], "example": {"id": 7}}, status=201)
    equal((made["name"], made["namespace"], made["built_in"], made["settings"]), ("fiche.created", "default", False,
          {"archived": False, "description": "A fiche was made", "tags": ["fiches"], "schema": None, "example": {"id": 7}}), "made")
    equal(api.get("/v1/event-types/fiche.created"), {**made, "named_by": [], "named_by_count": 0, "wanted_by_count": 0}, "looked at")
    api.refused("POST", "/v1/event-types", {"name": "fiche.created"}, status=409, code="conflict")
    api.call("PATCH", "/v1/event-types/fiche.created", raw=('{"schema":%s}' % SCHEMA).encode(), status=200)
    ruche.restart()
    api = ruche.api
    check(SCHEMA in api.call("GET", "/v1/event-types/fiche.created", status=200).body.decode(), "the schema's very bytes")
    equal(api.get("/v1/event-types/fiche.created")["settings"]["description"], "A fiche was made", "a PATCH keeps the rest")
    api.put("/v1/event-types/fiche.deleted", {})
    api.patch("/v1/event-types/fiche.deleted", {"archived": True})
    equal((names(api), names(api, "?archived=true")), ([*OURS, "fiche.created"], [*OURS, "fiche.created", "fiche.deleted"]), "with and without the archived ones")
    page, seen = api.get("/v1/event-types?limit=3"), []
    while page["next_cursor"]:
        seen += [one["name"] for one in page["event_types"]]
        page = api.get(f"/v1/event-types?limit=3&cursor={page['next_cursor']}")
    equal(seen + [one["name"] for one in page["event_types"]], [*OURS, "fiche.created"], "page by page")
    equal(names(api, "?namespace=team"), OURS, "another namespace has its own")
    api.put("/v1/event-types/fiche.created", {"description": "anew"})
    equal(api.get("/v1/event-types/fiche.created")["settings"]["schema"], None, "a PUT says all of it")
    api.call("DELETE", "/v1/event-types/fiche.created", status=204)
    api.refused("GET", "/v1/event-types/fiche.created", status=404, code="event_type_not_found")
    api.refused("PATCH", "/v1/event-types/fiche.created", {}, status=404, code="event_type_not_found")


@story
def nonsense_is_refused_by_field(ruche):
    """And changes nothing; of ruche's own nothing can be changed."""
    api = ruche.api
    for name in ("a%20b", "a%2Fb", "%C3%A9t%C3%A9", "a" * 256):
        api.refused("PUT", f"/v1/event-types/{name}", {}, code="invalid_field", field="type")
        api.refused("GET", f"/v1/event-types/{name}", code="invalid_field", field="type")
    for body, field in (({"name": "a b"}, "name"), ({}, "name"), ({"name": ""}, "name"), ({"name": "a" * 256}, "name"), ({"name": "a", "schema": []}, "schema")):
        api.refused("POST", "/v1/event-types", body, field=field)
    for body, code, field in (({"schema": "object"}, "invalid_field", "schema"), ({"schema": 3}, "invalid_field", "schema"), ({"archived": "no"}, "invalid_field", "archived"),
                              ({"tags": [1]}, "invalid_field", "tags[0]"), ({"description": "x" * 4097}, "invalid_field", "description"),
                              ({"shema": {}}, "unknown_field", "shema"), ({"name": "a"}, "unknown_field", "name")):
        for method in ("PUT", "PATCH"):
            api.refused(method, "/v1/event-types/a", body, code=code, field=field)
    check("schema" in api.refused("PUT", "/v1/event-types/a", {"shema": {}})["detail"], "did you mean schema?")
    check("65536" in api.refused("PUT", "/v1/event-types/a", {"schema": {"description": "x" * 65536}}, status=413, code="too_large")["detail"], "how much may be")
    api.refused("GET", "/v1/event-types?archived=maybe", field="archived")
    equal(names(api, "?archived=true"), OURS, "nothing is there")
    for name in OURS:
        ours = api.get(f"/v1/event-types/{name}")
        check(ours["built_in"] and ours["settings"]["description"] and ours["created_at"] is None, f"ruche's own: {ours}")
        for method, body in (("PUT", {}), ("PATCH", {"archived": True}), ("DELETE", None)):
            api.refused(method, f"/v1/event-types/{name}", body, status=409, code="conflict", field="type")
    api.refused("POST", "/v1/event-types", {"name": "endpoint.test"}, status=409, code="conflict", field="type")


@story
def types_are_free_by_themselves():
    """Messages of types that nobody listed are taken, and archived ones delivered; who wants a type is told; a test says the example."""
    with House() as house:
        api = house.api
        api.put("/v1/event-types/fiche.created", {"example": {"id": 7, "titre": "Pistes"}})
        settings = {"url": house.third.url, "format": "raw", "sign": {"kind": "none"}}
        api.put("/v1/endpoints/one", {**settings, "types": ["fiche.created"]})
        api.put("/v1/endpoints/many", {**settings, "types": ["fiche.*"]})
        told = api.get("/v1/event-types/fiche.created")
        equal((told["named_by"], told["named_by_count"], told["wanted_by_count"]), ([{"kind": "endpoint", "name": "one"}], 1, 2), "who wants it")
        problem = api.refused("DELETE", "/v1/event-types/fiche.created", status=409, code="conflict")
        check("'one'" in problem["detail"] and "archive" in problem["detail"], problem["detail"])
        equal(api.post("/v1/messages", {"type": "never.listed"}, status=201)["nothing"], "no_endpoint", "taken, and nobody wants it")
        equal(api.post("/v1/messages", {"type": "fiche.unlisted"}, status=201)["deliveries"], 1, "delivered")
        api.patch("/v1/event-types/fiche.created", {"archived": True})
        equal(api.post("/v1/messages", {"type": "fiche.created", "payload": 1}, status=201)["deliveries"], 2, "archived, and delivered all the same")
        house.third.wait(3)  # what is sent below comes after these
        tested = api.post("/v1/endpoints/one/test", {"type": "fiche.created"}, status=201)
        equal(api.wait(tested["delivery"])["state"], "completed", "the test")
        equal(json.loads(house.third.received[-1].body), {"id": 7, "titre": "Pistes"}, "what it said")
        api.wait(api.post("/v1/endpoints/one/test", {"type": "fiche.created", "payload": [1]}, status=201)["delivery"])
        equal(house.third.received[-1].body, b"[1]", "unless another payload is given")
        api.patch("/v1/endpoints/one", {"types": []})
        api.call("DELETE", "/v1/event-types/fiche.created", status=204)
        api.wait(api.post("/v1/endpoints/one/test", {"type": "fiche.created"}, status=201)["delivery"])
        equal(json.loads(house.third.received[-1].body), {"test": True}, "of a type that is not listed")


@story
def only_listed_types_are_taken():
    """With webhooks.types = listed: messages and endpoints are held to the catalogue, one by one, many at once and in a batch; what is refused changes nothing."""
    with Daemon(*LISTED) as ruche:
        api = ruche.api
        api.refused("POST", "/v1/messages", {"type": "fiche.created"}, code="invalid_field", field="type")
        api.put("/v1/event-types/fiche.created", {})
        api.put("/v1/event-types/fiche.deleted", {"archived": True})
        equal(api.post("/v1/messages", {"type": "fiche.created"}, status=201)["duplicate"], False, "a listed one")
        check("did you mean 'fiche.created'?" in api.refused("POST", "/v1/messages", {"type": "fiche.craeted"}, field="type")["detail"], "what was meant")
        check("archived" in api.refused("POST", "/v1/messages", {"type": "fiche.deleted"}, field="type")["detail"], "why not")
        many = {"messages": [{"type": "fiche.created", "key": "k"}, {"type": "fiche.gone"}]}
        api.refused("POST", "/v1/messages", many, field="messages[1].type")
        equal(len(api.get("/v1/messages")["messages"]), 1, "all or none")
        results = api.post("/v1/messages", {**many, "atomic": False}, status=200)["results"]
        equal(["id" in one for one in results], [True, False], "each by itself")
        refused = api.post("/v1/batch", {"ops": [{"op": "message", "type": "fiche.gone"}]})["results"][0]
        equal(refused["problem"]["field"] if "problem" in refused else refused.get("field"), "type", f"in a batch: {refused}")
        url = {"url": "https://x.example/"}
        problem = api.refused("PUT", "/v1/endpoints/crm", {**url, "types": ["fiche.*", "endpoint.failing", "fiche.create"]}, code="invalid_field", field="types[2]")
        check("did you mean 'fiche.created'?" in problem["detail"], problem["detail"])
        api.refused("GET", "/v1/endpoints/crm", status=404, code="endpoint_not_found")
        api.put("/v1/endpoints/crm", {**url, "types": ["fiche.created", "fiche.deleted", "other.*", "*", "delivery.exhausted"]})
        api.refused("PATCH", "/v1/endpoints/crm", {"types": ["fiche.created", "note"]}, field="types[1]")
        api.put("/v1/sources/open", {"verify": {"kind": "none"}, "id": "$.id", "into": {"message": {"type": "in.{header:x-event}"}}})
        api.post("/in/open", {"id": 1}, headers={"X-Event": "made"}, status=202)
        equal(api.get("/v1/messages")["messages"][0]["type"], "in.made", "what comes in is taken")
        api.put("/v1/endpoints/inner", {**url, "types": ["in.made"]})
        api.patch("/v1/event-types/fiche.created", {"archived": True})
        equal(api.post("/v1/messages", {"type": "fiche.created", "key": "k"}, status=200)["duplicate"], True, "a repeat of what was taken")
        api.refused("POST", "/v1/messages", {"type": "fiche.created", "key": "another"}, field="type")
        api.patch("/v1/endpoints/crm", {"timeout_ms": 9000})
        ruche.restart()
        ruche.api.refused("POST", "/v1/messages", {"type": "fiche.created"}, field="type")
        ruche.api.patch("/v1/event-types/fiche.created", {"archived": False})
        ruche.api.post("/v1/messages", {"type": "fiche.created"}, status=201)


@story
def from_the_command_line(ruche):
    """`ruche event-types`: made from words and files, listed, shown, archived, refused by field, deleted."""
    listed = ruche.cli("event-types").decode()
    equal([line.split()[0] for line in listed.splitlines()[1:]], OURS, "ruche's own")
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        files = {name: os.path.join(directory, name) for name in ("schema", "example", "whole", "wrong")}
        for name, text in (("schema", SCHEMA), ("example", '{"id": 1}\n'), ("whole", '{"tags": ["a"]}'), ("wrong", "[]")):
            with open(files[name], "w", encoding="utf-8") as file:
                file.write(text)
        equal(ruche.cli("event-types", "set", "fiche.made", "description=A fiche was made", "--schema", files["schema"], "--example", files["example"]),
              b"fiche.made is set\n", "what is said")
        ruche.cli("event-types", "set", "fiche.made", 'tags=["fiches"]')
        shown = ruche.cli("event-types", "show", "fiche.made").decode()
        check(SCHEMA in shown and '{"id": 1}' in shown and "A fiche was made" in shown and "0 endpoints" in shown and "fiches" in shown, f"shown: {shown}")
        ruche.cli("event-types", "set", "fiche.made", "--schema", files["wrong"], status=65)
        check("schema" in ruche.cli_errors, ruche.cli_errors)
        for number, (text, description) in enumerate((('{"description":"x"}', "x"), ('{"description":"x"} ', "x"), ('{"description":"x" \n}\t\n', "x"), ("{}", None), ("{ }  ", None))):
            ruche.cli("event-types", "set", f"object.{number}", text, "--schema", files["schema"], "--example", files["example"])
            settings = ruche.api.get(f"/v1/event-types/object.{number}")["settings"]
            equal((settings["description"], settings["schema"], settings["example"]), (description, json.loads(SCHEMA), {"id": 1}), f"of {text!r}")
        for text in ('{"archived":true', '{"tags":["a"', '{"archived":true}}', '{"archived":true} x', "{"):
            ruche.cli("event-types", "set", "object.none", text, "--schema", files["schema"], status=65)
            check("malformed" in ruche.cli_errors or "JSON" in ruche.cli_errors, ruche.cli_errors)
        ruche.api.refused("GET", "/v1/event-types/object.none", status=404, code="event_type_not_found")
        ruche.cli("event-types", "set", "fiche.made", "a=1", "--file", files["whole"], status=64)
        ruche.cli("event-types", "set", "fiche.made", "--file", files["whole"])
        equal(ruche.api.get("/v1/event-types/fiche.made")["settings"], {"archived": False, "description": None, "tags": ["a"], "schema": None, "example": None}, "whole")
    ruche.cli("event-types", "set", "bare")
    equal(json.loads(ruche.cli("event-types", "show", "bare", "--json")), ruche.api.get("/v1/event-types/bare"), "as JSON")
    check(b"archived" in ruche.cli("event-types", "archive", "bare"), "archived")
    check("bare" not in ruche.cli("event-types", "list").decode(), "left out")
    check("archived" in ruche.cli("event-types", "list", "--archived").decode(), "unless asked for")
    ruche.cli("event-types", "unarchive", "bare")
    check("bare" in ruche.cli("event-types", "list").decode(), "listed again")
    ruche.cli("event-types", "set", "away", "--namespace", "team")
    equal(names(ruche.api, "?namespace=team"), ["away", *OURS], "of a namespace")
    ruche.cli("event-types", "delete", "bare", status=64)
    equal(ruche.cli("event-types", "delete", "bare", "--yes"), b"bare is deleted\n", "deleted")
    ruche.cli("event-types", "delete", "bare", "--yes", status=66)
    ruche.cli("event-types", "archive", "endpoint.test", status=65)
    check("itself" in ruche.cli_errors, ruche.cli_errors)


if __name__ == "__main__":
    run()
