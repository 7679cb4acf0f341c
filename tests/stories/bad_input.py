"""Bad input: each gets a clear problem that names the field and what to do, and changes nothing."""

import json
import os
import re
import sqlite3
import subprocess
import tempfile

import harness
from harness import Daemon, Skip, check, equal, run, story

DEEP = "[" * 200 + "]" * 200


@story
def bodies_that_cannot_be_used(ruche):
    """Malformed JSON, wrong types, unknown fields, sizes, UTF-8, ranges: a table."""
    table = [
        # body, status, code, field
        (b"", 400, "malformed_json", None),
        (b"{", 400, "malformed_json", None),
        (b'{"queue":"q"} x', 400, "malformed_json", None),
        (b"nonsense", (400, 422), None, None),
        (b'{"queue":"q",}', 400, "malformed_json", None),
        (b'{"queue":"q","queue":"q"}', (400, 422), None, None),
        (b'{"queue":"\xff"}', 400, "malformed_json", None),
        (b'{"queue":"\xc0\xaf"}', 400, "malformed_json", None),
        (b'{"queue":"q","payload":"\\ud800"}', 400, "malformed_json", None),
        (b'{"queue":"q","payload":' + DEEP.encode() + b"}", (400, 413, 422), None, None),
        (b'{"queue":"q","payload":NaN}', 400, "malformed_json", None),
        (b'{"queue":"q","payload":01}', 400, "malformed_json", None),
        (b"[]", 422, "invalid_field", None),
        (b"{}", 422, "invalid_field", "queue"),
        (b'{"queue":5}', 422, "invalid_field", "queue"),
        (b'{"queue":""}', 422, "invalid_field", "queue"),
        (b'{"queue":null}', 422, "invalid_field", "queue"),
        (b'{"queue":"a\\u0000b"}', (400, 422), None, None),
        (b'{"queue":"q","qeue":1}', 422, "unknown_field", "qeue"),
        (b'{"queue":"q","delay_ms":-1}', 422, "invalid_field", "delay_ms"),
        (b'{"queue":"q","delay_ms":1.5}', 422, "invalid_field", "delay_ms"),
        (b'{"queue":"q","delay_ms":"5"}', 422, "invalid_field", "delay_ms"),
        (b'{"queue":"q","delay_ms":99999999999999999999}', 422, "invalid_field", "delay_ms"),
        (b'{"queue":"q","run_at":"tomorrow"}', 422, "invalid_field", "run_at"),
        (b'{"queue":"q","run_at":"2026-02-30T00:00:00Z"}', 422, "invalid_field", "run_at"),
        (b'{"queue":"q","run_at":"2090-01-01T00:00:00Z","delay_ms":5}', 422, "invalid_field", "delay_ms"),
        (b'{"queue":"q","priority":-1}', 422, "invalid_field", "priority"),
        (b'{"queue":"q","priority":2097152}', 422, "invalid_field", "priority"),
        (b'{"queue":"q","max_attempts":0}', 422, "invalid_field", "max_attempts"),
        (b'{"queue":"q","id":""}', 422, "invalid_field", "id"),
        (b'{"queue":"q","tags":"x"}', 422, "invalid_field", "tags"),
        (b'{"queue":"q","tags":[1]}', 422, "invalid_field", "tags[0]"),
        (b'{"queue":"q","retry":{"kind":"sometimes"}}', 422, "invalid_field", "retry.kind"),
        (b'{"queue":"q","retry":{"jitter_ratio":2}}', 422, "invalid_field", "retry.jitter_ratio"),
        (b'{"queue":"q","http":{"url":"ftp://x/"}}', 422, "invalid_field", "http.url"),
        (b'{"queue":"q","http":{"url":"http://u:p@x/"}}', 422, "invalid_field", "http.url"),
        (b'{"queue":"q","http":{"url":"http://x/","headers":{"Host":"y"}}}', 422, "invalid_field", None),
        (b'{"queue":"q","http":{"url":"http://x/","headers":{"A":"b\\r\\nC: d"}}}', 422, "invalid_field", None),
        (b'{"queue":"q","compat":"bullmq","past":{"deferred":""}}', 422, "invalid_field", "past.deferred"),
        (b'{"queue":"q","compat":"bullmq","past":{"state":"failed","deferred":"no"}}', 422, "invalid_field", "past.deferred"),
        (b'{"queue":"q","compat":"bullmq","waits":true,"past":{"deferred":"no"}}', 422, "invalid_field", "past.deferred"),
        (b'{"jobs":[]}', 422, "invalid_field", "jobs"),
        (b'{"jobs":[{"queue":"q"},{"queue":"q","ttl_ms":0}],"atomic":true}', 422, "invalid_field", "jobs[1].ttl_ms"),
        (json.dumps({"queue": "q" * 256}).encode(), 422, "invalid_field", "queue"),
        (json.dumps({"queue": "q", "id": "i" * 513}).encode(), 422, "invalid_field", "id"),
        (json.dumps({"jobs": [{"queue": "q"}] * 20001}).encode(), (413, 422), None, None),
    ]
    for body, status, code, field in table:
        try:
            ruche.api.refused("POST", "/v1/jobs", raw=body, status=status, code=code, field=field)
        except AssertionError as error:
            raise AssertionError(f"{body[:80]!r}: {error}") from None
    equal([queue["name"] for queue in ruche.api.get("/v1/queues")["queues"]], [], "queues made by refused requests")


@story
def requests_that_cannot_be_used(ruche):
    """Unknown paths and methods, wrong content types, bad queries, huge bodies."""
    api = ruche.api
    api.refused("GET", "/v1/nothing", status=404, code="not_found")
    api.refused("GET", "/v1/job", status=404, code="not_found")
    answer = api.call("PUT", "/v1/jobs", {}, status=405)
    check("GET" in answer.headers["allow"] and "POST" in answer.headers["allow"], "Allow")
    api.refused("POST", "/v1/jobs", raw=b"queue=q", status=415, code="unsupported_media_type", headers={"Content-Type": "application/x-www-form-urlencoded"})
    api.refused("GET", "/v1/jobs?limit=0", code="invalid_field", status=(400, 422))
    api.refused("GET", "/v1/jobs?limit=ten", code="invalid_field", status=(400, 422))
    api.refused("GET", "/v1/jobs?qeue=x", status=(400, 422))
    api.refused("GET", "/v1/jobs?state=done", code="invalid_field", status=(400, 422))
    api.refused("GET", "/v1/jobs?cursor=forged", code="invalid_field", status=(400, 422))
    api.refused("GET", "/v1/jobs/nonsense", status=(400, 404, 422))
    api.refused("GET", "/v1/jobs/0000000000001", status=404, code="job_not_found")
    api.refused("GET", "/v1/queues/nobody", status=404, code="queue_not_found")
    api.refused("POST", "/v1/jobs", raw=b'{"queue":"q","payload":"' + b"x" * (5 << 20) + b'"}', status=413, code="too_large")
    api.refused("POST", "/v1/claims", {"queues": []}, code="invalid_field", field="queues")
    api.refused("POST", "/v1/claims", {"queues": ["q"], "max": 1001}, code="invalid_field", field="max")
    api.refused("POST", "/v1/claims", {"queues": ["q"], "wait_ms": 300001}, code="invalid_field", field="wait_ms")
    api.refused("POST", "/v1/leases/0000000000001/complete", {"token": "t"}, status=(404, 409))
    api.refused("PUT", "/v1/queues/q", {"concurrency": -1}, code="invalid_field", field="concurrency")
    api.refused("PUT", "/v1/queues/q", {"concurency": 1}, code="unknown_field", field="concurency")
    api.refused("POST", "/v1/operations", {"action": "explode", "filter": {"queue": "q"}}, code="invalid_field", field="action")
    api.refused("POST", "/v1/batch", {"ops": [{"op": "enqeue", "queue": "q"}]}, code="invalid_field", field="ops[0].op")


def start_fails(*arguments, code, says, store=None, env=None):
    """ruche serve must end by itself, with that code and one line that says why."""
    with_store = ["--store-path", store] if store else []
    done = subprocess.run([harness.options.ruche, "serve", *with_store, *arguments], capture_output=True, timeout=60, check=False,
                          stdin=subprocess.DEVNULL, env={**os.environ, "NO_COLOR": "1", **(env or {})})
    text = (done.stderr + done.stdout).decode()
    equal(done.returncode, code, f"exit code ({text})")
    for word in says:
        check(word in text, f"{word!r} is not in: {text}")


@story
def a_store_in_memory():
    """A tmpfs is refused, in one line that says what to do, and no file is left; with --ephemeral it is used."""
    if subprocess.run(["stat", "-f", "-c", "%T", "/dev/shm"], capture_output=True, check=False).stdout.strip() != b"tmpfs":
        raise Skip("/dev/shm is no tmpfs here")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        store = os.path.join(directory, "ruche.db")
        start_fails("--listen", "127.0.0.1:0", store=store, code=78, says=["tmpfs", "--ephemeral", store])
        equal(os.listdir(directory), [], "files left behind")
        with Daemon(store=store) as ruche:
            ruche.api.enqueue("memory")


@story
def a_port_of_its_own():
    """Where port 0 was asked for, the log tells the port that was taken."""
    with Daemon("--listen", "127.0.0.1:0", "--listen", "127.0.0.2:0") as ruche:
        ports = [int(line.rsplit(":", 1)[1]) for line in re.findall(r'"event":"listen","address":"([^"]*:\d+)"', ruche.log())]
        check(len(ports) == 2 and 0 not in ports and len(set(ports)) == 2, f"ports: {ports}")
        ruche.cli("queues", "--url", f"http://127.0.0.1:{ports[0]}")


@story
def a_daemon_that_cannot_start():
    """A locked store, a port in use, a newer store, a damaged one, typos in configuration: one line and an exit code."""
    with Daemon(tcp=True) as ruche:
        start_fails("--listen", "127.0.0.1:0", store=ruche.store, code=75, says=["in use by process", ruche.store])
        other = os.path.join(ruche.directory, "other.db")
        start_fails("--listen", f"127.0.0.1:{ruche.tcp}", store=other, code=71, says=[f"Cannot listen on 127.0.0.1:{ruche.tcp}: Address already in use."])
        start_fails("--listen", "192.0.2.1:8420", store=other, code=78, says=["192.0.2.1:8420"])
        equal([name for name in os.listdir(ruche.directory) if name.startswith("other")], [], "files of a daemon that could not listen")
        start_fails("--listn", "127.0.0.1:0", store=other, code=64, says=["listn", "listen"])
        start_fails("--http-body-bytes", "many", store=other, code=78, says=["http-body-bytes"])
        fresh = os.path.join(ruche.directory, "fresh.db")
        for token in ("hush", "rch_hush", "rch_" + "h" * 44, "rch_" + "h" * 42 + "!"):  # none that the API would not admit
            start_fails("--listen", "127.0.0.1:0", store=fresh, code=78, says=["RUCHE_ADMIN_TOKEN", "43 letters"], env={"RUCHE_ADMIN_TOKEN": token})
        start_fails("--deliver-proxy", "proxy.example:3128", store=fresh, code=78, says=["--deliver-proxy", "http://proxy.example:3128"])
        start_fails("--deliver-no-proxy", "crm.example:80", store=fresh, code=78, says=["--deliver-no-proxy", "without scheme and port"])
        said = ruche.cli("doctor", "--ephemeral", "--store", fresh, env={"RUCHE_HTTP_BODY_MEMORY": "7MiB"}).decode()
        check("http.body_memory is less than twice http.body_bytes" in said, said)
        check(not os.path.exists(fresh), "a daemon that could not start left a store behind")
        start_fails("--listen", "127.0.0.1:0", store=other, code=78, says=["RUCHE_HTTP_BODY_BYTES", "'many'"], env={"RUCHE_HTTP_BODY_BYTES": "many"})
        start_fails("--listen", "127.0.0.1:0", store=other, code=78, says=["RUCHE_CONFIG", "no.conf"], env={"RUCHE_CONFIG": "/no/such/no.conf"})
        config = os.path.join(ruche.directory, "ruche.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write('[http]\nbody_byte = "4MiB"\n')
        start_fails("--config", config, store=other, code=78, says=["ruche.conf:2", "body_byte", "body_bytes"])
        start_fails("--listen", "127.0.0.1:0", store=os.path.join(ruche.directory, "no", "such", "directory.db"), code=74, says=["directory"])
    newer = Daemon()
    with newer:
        newer.stop()
        with sqlite3.connect(newer.store) as database:
            version = database.execute("PRAGMA user_version").fetchone()[0]
            database.execute(f"PRAGMA user_version = {version + 1000}")
        database.close()
        start_fails("--listen", "127.0.0.1:0", store=newer.store, code=78, says=["newer"])
        with open(newer.store, "r+b") as file:
            file.write(b"This is not a database, whatever its name says." * 20)
        start_fails("--listen", "127.0.0.1:0", store=newer.store, code=74, says=["damaged"])


if __name__ == "__main__":
    run()
