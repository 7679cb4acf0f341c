"""The OpenAPI document: it is one, by its own rules, and every route keeps to it."""

import re

import jsonschema

from harness import check, equal, run, story

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")

# What OpenAPI 3.1 asks of a document, as far as ours uses it. Its schemas are JSON Schema 2020-12, which jsonschema knows by itself.
TEXT, REF = {"type": "string", "minLength": 1}, {"type": "object", "required": ["$ref"], "properties": {"$ref": {"type": "string", "pattern": "^#/components/"}},
                                               "additionalProperties": False}
CONTENT = {"type": "object", "minProperties": 1, "patternProperties": {r"^([a-z]+/[-+.a-z0-9]+|\*/\*)$": {"type": "object", "properties": {"schema": {"type": "object"}},
                                                                                              "additionalProperties": False}}, "additionalProperties": False}
RESPONSE = {"oneOf": [REF, {"type": "object", "required": ["description"], "properties": {"description": TEXT, "content": CONTENT}, "additionalProperties": False}]}
PARAMETER = {"type": "object", "required": ["name", "in", "schema"], "additionalProperties": False,
             "properties": {"name": TEXT, "in": {"enum": ["path", "query", "header"]}, "required": {"type": "boolean"}, "description": TEXT,
                            "schema": {"type": "object"}, "style": {"const": "form"}, "explode": {"type": "boolean"}},
             "if": {"properties": {"in": {"const": "path"}}}, "then": {"required": ["required"], "properties": {"required": {"const": True}}}}
OPERATION = {"type": "object", "required": ["operationId", "summary", "description", "tags", "responses"], "additionalProperties": False,
             "properties": {"operationId": {"type": "string", "pattern": "^[a-zA-Z]+$"}, "summary": TEXT, "description": TEXT,
                            "tags": {"type": "array", "items": TEXT, "minItems": 1}, "parameters": {"type": "array", "items": PARAMETER},
                            "requestBody": {"type": "object", "required": ["content"], "additionalProperties": False,
                                            "properties": {"content": CONTENT, "required": {"type": "boolean"}}},
                            "security": {"type": "array", "items": {"type": "object"}},
                            "responses": {"type": "object", "minProperties": 2, "required": ["default"], "additionalProperties": False,
                                          "patternProperties": {"^([1-5][0-9][0-9]|default)$": RESPONSE}}}}
DOCUMENT = {"type": "object", "required": ["openapi", "info", "paths", "components"], "additionalProperties": False,
            "properties": {"openapi": {"type": "string", "pattern": r"^3\.1\.\d+$"},
                           "info": {"type": "object", "required": ["title", "version"]},
                           "servers": {"type": "array", "items": {"type": "object", "required": ["url"]}},
                           "security": {"type": "array"}, "tags": {"type": "array", "items": {"type": "object", "required": ["name"]}},
                           "paths": {"type": "object", "additionalProperties": False, "patternProperties": {
                               "^/": {"type": "object", "additionalProperties": False, "properties": {method: OPERATION for method in METHODS}}}},
                           "components": {"type": "object", "additionalProperties": False, "properties": {
                               "schemas": {"type": "object", "propertyNames": {"pattern": "^[-._a-zA-Z0-9]+$"}},
                               "responses": {"type": "object", "additionalProperties": RESPONSE},
                               "securitySchemes": {"type": "object", "additionalProperties": {"type": "object", "required": ["type", "scheme"]}}}}}}


def operations(document):
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


def schemas(node):
    """Every schema that stands in the document, wherever."""
    if isinstance(node, dict):
        if isinstance(node.get("schema"), dict):
            yield node["schema"]
        for value in node.values():
            yield from schemas(value)
    elif isinstance(node, list):
        for value in node:
            yield from schemas(value)


def references(node):
    if isinstance(node, dict):
        if "$ref" in node:
            yield node
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


@story
def the_document_is_one(ruche):
    """Its form, its schemas, its references, the parameters of its paths, its tags and names."""
    document = ruche.contract.document
    jsonschema.Draft202012Validator.check_schema(DOCUMENT)
    for error in jsonschema.Draft202012Validator(DOCUMENT).iter_errors(document):
        raise AssertionError(f"at {'/'.join(str(step) for step in error.absolute_path)}: {error.message[:400]}")
    for schema in [*document["components"]["schemas"].values(), *schemas(document["paths"]), *schemas(document["components"]["responses"])]:
        jsonschema.Draft202012Validator.check_schema(schema)
    for reference in references(document):
        ruche.contract.resolve(reference)
    tags = {tag["name"] for tag in document["tags"]}
    names = [operation["operationId"] for _, _, operation in operations(document)]
    equal(len(names), len(set(names)), "operations of the same name")
    for method, path, operation in operations(document):
        told = [parameter["name"] for parameter in operation.get("parameters", []) if parameter["in"] == "path"]
        equal(sorted(told), sorted(re.findall(r"{([^}]+)}", path)), f"parameters in the path of {method} {path}")
        check(set(operation["tags"]) <= tags, f"tags of {method} {path}")
        named = [(parameter["in"], parameter["name"]) for parameter in operation.get("parameters", [])]
        equal(len(named), len(set(named)), f"parameters of {method} {path} that are told twice")
    used = {reference["$ref"].rsplit("/", 1)[1] for reference in references(document)}
    equal(sorted(set(document["components"]["schemas"]) - used), [], "schemas that nothing refers to")


def webhooks(api):
    api.put("/v1/secrets/crm", {"value": "hunter2hunter2"})
    api.post("/v1/secrets/crm/rotate", {"value": "hunter3hunter3"})
    api.post("/v1/secrets/rekey")
    api.get("/v1/secrets")
    api.call("DELETE", "/v1/secrets/crm", status=204)
    into = {"message": {"type": "in.{header:x-event}"}}
    for namespace, address in (("default", "/in/open"), ("other", "/in/other/open")):
        api.put(f"/v1/sources/open?namespace={namespace}", {"verify": {"kind": "none"}, "id": "$.id", "into": into})
        for status in (202, 200):
            api.post(address, {"id": 1}, headers={"X-Event": "made"}, status=status)
    api.patch("/v1/sources/open", {"into": {"job": {"queue": "received"}}})
    api.get("/v1/sources/open")
    api.get("/v1/sources")
    api.call("DELETE", "/v1/sources/open", status=204)
    api.post("/v1/event-types", {"name": "made", "tags": ["a"], "schema": {"type": "object"}}, status=201)
    api.put("/v1/event-types/kept", {"example": None, "schema": True})
    api.patch("/v1/event-types/kept", {"archived": True})
    api.get("/v1/event-types/endpoint.test")
    api.get("/v1/event-types?archived=true&limit=3")
    api.call("DELETE", "/v1/event-types/kept", status=204)
    api.put("/v1/formats/wide", {"program": ".payload"})
    api.get("/v1/formats/wide")
    api.get("/v1/formats")
    api.call("DELETE", "/v1/formats/wide", status=204)
    api.put("/v1/endpoints/crm", {"url": "https://crm.example.org/", "types": ["*"]})
    api.patch("/v1/endpoints/crm", {"timeout_ms": 5000})
    for verb in ("disable", "enable", "pause"):
        api.post(f"/v1/endpoints/crm/{verb}")
    api.post("/v1/endpoints", {"url": "https://other.example.org/"})
    api.put("/v1/endpoints/consumer", {"kind": "poll", "types": ["*"]})
    api.get("/v1/endpoints/consumer/poll?limit=5&wait_ms=0")
    api.get("/v1/endpoints")
    api.get("/v1/endpoints/crm")
    api.post("/v1/endpoints/crm/preview")
    api.put("/v1/secrets/edwards", {"value": "whsk_" + "A" * 43 + "="})
    api.patch("/v1/endpoints/crm", {"sign": {"kind": "both", "secret_v1a": "edwards"}})
    api.get("/v1/endpoints/crm/public-key")
    api.delete("/v1/secrets/edwards")
    api.post("/v1/formats/raw/preview")
    sent = api.post("/v1/messages", {"type": "made", "entity": "e", "payload": [1]}, status=201)
    api.post("/v1/messages", {"messages": [{"type": "made", "key": "k"}, {"type": "made", "key": "k"}]}, status=200)
    api.post("/v1/batch", {"ops": [{"op": "message", "type": "made"}]})
    api.get("/v1/messages")
    api.get(f"/v1/messages/{sent['id']}?payload=true")
    api.get("/v1/jobs?queue=webhooks")
    [delivery] = api.get(f"/v1/messages/{sent['id']}/deliveries")["deliveries"]
    api.get("/v1/deliveries?endpoint=crm")
    api.post(f"/v1/jobs/{delivery['uid']}/cancel", {})
    api.post(f"/v1/messages/{sent['id']}/resend", {"endpoint": "crm"})
    api.post(f"/v1/jobs/{delivery['uid']}/cancel", {})
    api.post(f"/v1/deliveries/{delivery['uid']}/retry", {})
    for verb in ("recover", "replay"):
        api.post(f"/v1/endpoints/crm/{verb}", {"since": "2026-01-01T00:00:00Z", "dry_run": True}, status=200)
        api.post(f"/v1/endpoints/crm/{verb}", {"since": "2026-01-01T00:00:00Z"}, status=201)
    api.get("/v1/endpoints/crm/entities")
    api.call("DELETE", "/v1/endpoints/crm/entities/e", status=204)
    api.call("DELETE", f"/v1/messages/{sent['id']}/content", status=204)
    api.post("/v1/endpoints/crm/resume", {})
    api.post("/v1/endpoints/crm/test", {}, status=201)
    api.call("DELETE", "/v1/endpoints/crm", status=204)


@story
def every_route_keeps_its_word(ruche):
    """A life that passes through every route: each good answer was seen, and held against its schema."""
    api = ruche.api
    api.put("/v1/queues/w", {"concurrency": 50, "retry": {"max_attempts": 5, "delay_ms": 0, "jitter": "none"}})
    api.patch("/v1/queues/w", {"metadata": {"team": "north"}})
    uid = api.enqueue("w", {"n": 1}, id="one", group="g", tags=["t"])["uid"]
    equal(api.enqueue("w", id="one")["duplicate"], True, "duplicate")  # 200
    api.post("/v1/jobs", {"jobs": [{"queue": "w", "group": f"g{n}"} for n in range(8)]})
    api.post("/v1/queues/w/pause")
    api.get(f"/v1/jobs/{uid}/explain")
    api.post("/v1/queues/w/resume", {})
    api.put("/v1/queues/w/groups/g", {"concurrency": 4})
    api.post("/v1/queues/w/groups/g/pause")
    api.post("/v1/queues/w/groups/g/resume")
    for path in ("", "/stats", "/groups", "/groups/g", "/jobs/one?payload=true"):
        api.get(f"/v1/queues/w{path}")
    api.call("DELETE", "/v1/queues/w/groups/g", status=204)
    api.get("/v1/queues/w/dedup/none")
    api.delete("/v1/queues/w/dedup/none")
    api.put("/v1/queues/repeated/chains/hourly", {"schedule": {"pattern": "0 * * * *"}})
    api.get("/v1/queues/repeated/chains")
    api.get("/v1/queues/repeated/chains/hourly")
    api.delete("/v1/queues/repeated/chains/hourly")

    claimed = api.claim("w", max=9)
    token, uids = claimed["token"], [job["uid"] for job in claimed["jobs"]]
    equal(len(uids), 9, "jobs claimed")
    lease = lambda verb, body=None, at=0: api.post(f"/v1/leases/{uids[at]}/{verb}", {"token": token, **(body or {})})
    lease("heartbeat")
    lease("progress", {"progress": 0.5})
    lease("log", {"line": "at work"})
    api.post("/v1/leases/heartbeat", {"token": token, "leases": [{"uid": each} for each in uids]})
    error = {"error": {"message": "it broke"}}
    lease("complete", {"result": {"done": True}})
    lease("fail", {**error, "verdict": "final"}, at=1)
    lease("release", at=2)
    lease("snooze", {"delay_ms": 3600000}, at=3)
    api.post("/v1/leases/complete", {"token": token, "leases": [{"uid": uids[4]}]})
    api.post("/v1/leases/fail", {"token": token, "leases": [{"uid": uids[5], **error, "verdict": "final"}], "claim": {"queues": ["w"]}})
    done = uids[0]
    for path in ("", "/payload", "/result", "/attempts", "/logs"):
        api.get(f"/v1/jobs/{done}{path}")
    api.post(f"/v1/jobs/{uids[3]}/priority", {"priority": 2})
    api.post(f"/v1/jobs/{uids[3]}/edit", {"payload": [3]})
    api.post(f"/v1/jobs/{uids[3]}/reschedule", {"delay_ms": 3600000})
    api.post(f"/v1/jobs/{uids[3]}/promote")
    api.post(f"/v1/jobs/{uids[3]}/move", {"queue": "other"})
    api.post(f"/v1/jobs/{uids[3]}/cancel", {"reason": "no more"})
    api.post(f"/v1/jobs/{uids[1]}/retry")
    api.post("/v1/batch", {"ops": [{"op": "enqueue", "queue": "w"}, {"op": "claim", "queues": ["w"]}, {"op": "explain", "uid": uids[1]},
                                   {"op": "queue_get", "queue": "w"}, {"op": "queues"}, {"op": "groups", "queue": "w"}, {"op": "delete", "uid": uids[4]}]})
    api.call("DELETE", f"/v1/jobs/{done}", status=204)
    for path in ("/v1/jobs?queue=w", "/v1/jobs/count?queue=w", "/v1/queues", "/v1/events?after=0&limit=5", "/v1/stats"):
        api.get(path)

    api.patch("/v1/queues/bulk", {})
    operation = api.post("/v1/operations", {"action": "cancel", "filter": {"queue": "bulk"}})["uid"]
    api.get("/v1/operations")
    api.get(f"/v1/operations/{operation}")
    api.post("/v1/queues/bulk/pause")

    def cancel_many():
        for _ in range(10):
            api.post("/v1/jobs", {"jobs": [{"queue": "bulk"} for _ in range(2000)]})
        return api.post("/v1/operations", {"action": "cancel", "filter": {"queue": "bulk"}})

    for verb, state in (("resume", "running"), ("cancel", "cancelled")):
        operation = api.paused_operation(cancel_many)["uid"]
        steered = api.post(f"/v1/operations/{operation}/{verb}")
        equal((steered["uid"], steered["state"]), (operation, state), verb)
    api.patch("/v1/queues/empty", {})
    api.call("DELETE", "/v1/queues/empty", status=204)
    made = api.post("/v1/tokens", {"name": "trial", "scopes": ["read"]})
    api.get("/v1/tokens")
    api.call("DELETE", f"/v1/tokens/{made['uid']}", status=204)
    parent, child = (made["uid"] for made in api.post("/v1/jobs", {"jobs": [
        {"queue": "reports", "id": "p", "waits": True}, {"queue": "pages", "parents": [{"ref": 0, "on_failure": "ignore"}]}]})["results"])
    api.get(f"/v1/jobs/{parent}/children")
    api.get("/v1/queues/reports/jobs/p/children?state=pending")
    api.post(f"/v1/jobs/{child}/detach", {"parent": parent})
    api.delete(f"/v1/jobs/{parent}/children", status=200)
    job, token = api.claim_one("reports")
    api.post(f"/v1/leases/{job['uid']}/await-children", {"token": token})
    api.get("/v1/queues/w/dedup/key")
    api.call("DELETE", "/v1/queues/w/dedup/key", status=200)
    api.put("/v1/limits/crm", {"concurrency": 2, "rate": {"max": 5, "per_ms": 1000, "window": "fixed"}})
    api.patch("/v1/limits/crm", {"penalty_ms_max": 60000})
    api.get("/v1/limits")
    api.get("/v1/limits/crm")
    api.post("/v1/limits/crm/acquire", {"token": "mine"})
    api.post("/v1/limits/crm/release", {"token": "mine"})
    for path in ("limits/crm", "queues/w", "queues/w/groups/g"):
        for delay_ms in (5, 0):
            api.post(f"/v1/{path}/back_off", {"delay_ms": delay_ms})
    api.call("DELETE", "/v1/limits/crm", status=204)
    api.get("/v1/queues/w/range?state=completed&what=jobs&parts=payload,result,errors")
    api.get("/v1/queues/w/metrics")
    api.post("/v1/queues/w/jobs/read", {"uids": uids, "parts": ["payload", "result", "progress", "errors"]})
    api.put("/v1/workers/one", {"queue": "w"})
    api.get("/v1/workers")
    api.call("DELETE", "/v1/workers/one", status=204)
    webhooks(api)
    for path in ("/v1", "/livez", "/readyz", "/metrics", "/v1/openapi.json"):
        api.call("GET", path)
    good = {(method, path, status) for method, path, operation in operations(ruche.contract.document) for status in operation["responses"] if status[0] == "2"}
    elsewhere = {("GET", "/v1/endpoints/{endpoint}/entities/{entity}", "200")}  # takes a third party: webhook_recovery.py
    equal(sorted(good - elsewhere - ruche.contract.seen), [], "good answers that were never seen")


if __name__ == "__main__":
    run()
