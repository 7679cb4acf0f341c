"""harness: what every story stands on: the real daemon on a store of its own, a client that holds every answer against the
served OpenAPI document, third parties that answer by script, and events to wait on. Standard library and jsonschema only.

A story is a function with @story; a file of stories ends with run(). Nothing sleeps to be right: a story waits for an answer, an
event or a request, each with a deadline that only a defect reaches."""

import argparse
import http.client
import inspect
import json
import os
import queue
import re
import secrets
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from urllib.parse import parse_qs

import jsonschema

DEADLINE_S = 60  # for whatever must happen; sanitizers and two busy cores make it generous
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
options = None  # the command line, set by run()


class Skip(Exception):
    """The machine does not permit this story; the reason is printed."""


def check(condition, message):
    if not condition:
        raise AssertionError(message)


def equal(found, wanted, what="value"):
    if found != wanted:
        raise AssertionError(f"{what}: {found!r} where {wanted!r} was expected")


def until(holds, what):
    """Asks until the answer is true in some way, and answers it."""
    deadline = time.monotonic() + DEADLINE_S
    while not (found := holds()):
        check(time.monotonic() < deadline, f"it never came that {what}")
        time.sleep(0.005)  # only to keep the machine free
    return found


# ---- the API document ----

OF_THE_SERVER = (408, 414, 417, 431)  # statuses that any address may be answered with, before it is looked at
LONG_BODY_BYTES, LONG_LIST = 50000, 40  # of a long list the two ends are validated: its items are all written by one function


def thin(value):
    if isinstance(value, dict):
        return {name: thin(member) for name, member in value.items()}
    if isinstance(value, list):
        return [thin(item) for item in (value if len(value) <= LONG_LIST else value[:LONG_LIST // 2] + value[-LONG_LIST // 2:])]
    return value


class Contract:
    """Validates answers against the OpenAPI document that the daemon serves."""

    def __init__(self, document):
        self.document = document
        self.routes = []
        self.validators = {}
        self.seen = set()  # (method, path of the document, status) of every answer that was held against it
        for template, item in document["paths"].items():
            pattern = re.escape(template).replace(r"\{", "{").replace(r"\}", "}")
            pattern = re.sub(r"\{[^}]+\}", "[^/]+", pattern)
            self.routes.append((template.count("{"), re.compile("^" + pattern + "$"), template, item))
        self.routes.sort(key=lambda route: route[0])  # a literal path wins over a template

    def operation(self, method, path):
        for _, pattern, template, item in self.routes:
            if pattern.match(path) and method.lower() in item:
                return template, item[method.lower()]
        return None, None

    def resolve(self, node):
        while "$ref" in node:
            at = self.document
            for step in node["$ref"].lstrip("#/").split("/"):
                at = at[step.replace("~1", "/").replace("~0", "~")]
            node = at
        return node

    def validator(self, key, schema):
        if key not in self.validators:
            whole = dict(schema)
            whole["components"] = self.document.get("components", {})
            self.validators[key] = jsonschema.Draft202012Validator(whole)
        return self.validators[key]

    def check_asked(self, template, method, path, operation, data):
        """What was accepted must be what the document says that it may be: parameters and body."""
        if "*/*" in operation.get("requestBody", {}).get("content", {}):
            return  # any bytes, any query
        known = {parameter["name"] for parameter in operation.get("parameters", []) if parameter["in"] == "query"}
        for name in parse_qs(path.partition("?")[2], keep_blank_values=True):
            check(name in known, f"{method} {template}: the query parameter {name} was accepted, yet is not in the document")
        if not data:
            return
        check("requestBody" in operation, f"{method} {template}: a body was accepted, yet is not in the document")
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        value = json.loads(data)
        errors = sorted(self.validator((template, method), schema).iter_errors(thin(value) if len(data) > LONG_BODY_BYTES else value), key=str)
        check(not errors, f"{method} {template}: {data[:600]!r} was accepted, yet the document says: {errors and errors[0].message[:400]}")

    def check(self, method, path, answer, data=None):
        if method == "HEAD":
            return
        path, whole = path.split("?")[0], path
        template, operation = self.operation(method, path)
        if operation is None:
            check(answer.status in (400, 401, 403, 404, 405, 413, 431), f"{method} {path} is not in the document, yet was answered {answer.status}")
            return
        if answer.status < 300:
            self.check_asked(template, method, whole, operation, data)
        responses = operation["responses"]
        self.seen.add((method, template, str(answer.status)))
        response = responses.get(str(answer.status)) or (responses["default"] if answer.status in OF_THE_SERVER else None)
        check(response is not None, f"{method} {template}: status {answer.status} is not in the document")
        response = self.resolve(response)
        content = response.get("content")
        if not content:
            equal(answer.body, b"", f"{method} {template} {answer.status}: body")
            return
        media = answer.headers.get("content-type", "").split(";")[0].strip()
        content = {name.split(";")[0].strip(): body for name, body in content.items()}
        check(media in content, f"{method} {template} {answer.status}: content type {media!r} is not in the document")
        schema = content[media].get("schema")
        if schema is None or not media.endswith("json"):
            return
        value = thin(answer.json) if len(answer.body) > LONG_BODY_BYTES else answer.json
        errors = sorted(self.validator((template, method, answer.status, media), schema).iter_errors(value), key=str)
        if errors:
            where = "/".join(str(step) for step in errors[0].absolute_path)
            raise AssertionError(f"{method} {template} {answer.status}: at '{where}': {errors[0].message[:400]}\n{answer.body[:2000]!r}")


# ---- the client ----


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("ruche", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)


class Client:
    """One connection, kept; a client belongs to one thread. Every answer is checked against the contract."""

    def __init__(self, daemon, token=None):
        self.daemon = daemon
        self.token = daemon.token if token is None else token
        self.connection = None

    def again(self, token=None):
        """Another client: for another thread, or with another token."""
        return Client(self.daemon, self.token if token is None else token)

    def close(self):
        if self.connection:
            self.connection.close()
            self.connection = None

    def send(self, method, path, data, headers):
        whole = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        if data is not None:
            whole["Content-Type"] = "application/json"
        whole.update(headers or {})
        whole = {name: value for name, value in whole.items() if value is not None}
        for attempt in (1, 2):
            fresh = self.connection is None
            if fresh:
                self.connection = self.daemon.connect()
            try:
                self.connection.request(method, path, body=data, headers=whole)
                response = self.connection.getresponse()
                body = response.read()
                break
            except (ConnectionError, http.client.BadStatusLine, http.client.RemoteDisconnected, OSError):
                self.close()
                if fresh or attempt == 2:
                    raise
        answer = Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, body)
        if response.will_close:
            self.close()
        return answer

    def call(self, method, path, body=None, status=None, raw=None, headers=None):
        """One request. `status`: what must come, a number or a tuple; any 2xx otherwise. Returns the answer."""
        data = raw if raw is not None else None if body is None else json.dumps(body, ensure_ascii=False).encode()
        answer = self.send(method, path, data, headers)
        wanted = (status,) if isinstance(status, int) else status
        good = answer.status in wanted if wanted else 200 <= answer.status < 300
        check(good, f"{method} {path}: {answer.status}, not {status or '2xx'}: {answer.body[:600]!r}")
        contract = self.daemon.contract
        if contract:
            contract.check(method, path, answer, data)
        return answer

    def get(self, path, **more):
        return self.call("GET", path, **more).json

    def post(self, path, body=None, **more):
        return self.call("POST", path, {} if body is None and "raw" not in more else body, **more).json

    def put(self, path, body, **more):
        return self.call("PUT", path, body, **more).json

    def patch(self, path, body, **more):
        return self.call("PATCH", path, body, **more).json

    def delete(self, path, **more):
        return self.call("DELETE", path, **more)

    def refused(self, method, path, body=None, status=422, code=None, field=None, raw=None, headers=None):
        """A request that must be refused with a problem that names its code and, where given, the field."""
        answer = self.call(method, path, body, status=status, raw=raw, headers=headers)
        problem = answer.json
        equal(answer.headers.get("content-type"), "application/problem+json", "content type")
        equal(problem["status"], answer.status, "status in the problem")
        if code:
            equal(problem["code"], code, f"code ({problem.get('detail')})")
        if field:
            equal(problem.get("field"), field, f"field ({problem.get('detail')})")
        check(problem.get("detail") or problem.get("title"), "the problem says nothing")
        return problem

    # The few words most stories need.

    def enqueue(self, queue_name, payload=None, **fields):
        return self.post("/v1/jobs", {"queue": queue_name, "payload": payload, **fields})

    def claim(self, *queues, max=1, wait_ms=0, **fields):
        body = {"queues": list(queues), "max": max, **fields}
        if wait_ms:
            body["wait_ms"] = wait_ms
        return self.post("/v1/claims", body)

    def claim_one(self, *queues, **fields):
        """The job and its lease token: waits until there is one."""
        claimed = self.claim(*queues, wait_ms=30000, **fields)
        equal(len(claimed["jobs"]), 1, f"jobs claimed ({claimed.get('reason')})")
        return claimed["jobs"][0], claimed["token"]

    def complete(self, uid, token, result=None, **more):
        return self.post(f"/v1/leases/{uid}/complete", {"token": token, "result": result}, **more)

    def fail(self, uid, token, message="it broke", more=None, **fields):
        body = {"token": token, "error": {"type": "Error", "message": message}, **fields}
        return self.post(f"/v1/leases/{uid}/fail", body, **(more or {}))

    def job(self, uid, **more):
        return self.get(f"/v1/jobs/{uid}", **more)

    def wait(self, uid, seconds=30):
        """The job once it is final."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            job = self.get(f"/v1/jobs/{uid}?wait_ms={seconds * 1000}")
            if job["state"] in ("completed", "failed", "cancelled", "expired"):
                return job
            check(time.monotonic() < deadline, f"job {uid} is still {job['state']}")

    def paused_operation(self, start):
        """The bulk operation that start() begins, paused before its end. One that was over before it could be paused is begun anew: start() makes work for it."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            answer = self.call("POST", f"/v1/operations/{start()['uid']}/pause", {}, status=(200, 404))
            if answer.status == 200:
                return answer.json
            check(time.monotonic() < deadline, "every operation was over before it could be paused")

    def states(self, queue_name):
        return self.get(f"/v1/queues/{queue_name}")["states"]

    def explain(self, uid):
        return self.get(f"/v1/jobs/{uid}/explain")

    def events(self, **query):
        if "queue" in query:
            self.patch(f"/v1/queues/{query['queue']}", {})  # makes it if there is none
        return Events(self, **query)


class Events:
    """A stream of server-sent events, read by a thread: until(type) waits for one."""

    def __init__(self, client, last_id=None, **query):
        text = "&".join(f"{name}={value}" for name, value in query.items())
        self.connection = client.daemon.connect()
        headers = {"Accept": "text/event-stream", **({"Authorization": f"Bearer {client.token}"} if client.token else {})}
        if last_id:
            headers["Last-Event-ID"] = last_id
        self.connection.request("GET", "/v1/events" + ("?" + text if text else ""), headers=headers)
        self.response = self.connection.getresponse()
        equal(self.response.status, 200, "status of the event stream")
        self.socket = self.response.fp.raw._sock if hasattr(self.response.fp, "raw") else None
        self.arrived = queue.Queue()
        self.seen = []
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        event = {}
        try:
            for line in self.response:
                line = line.decode().rstrip("\r\n")
                if line == "":
                    if event:
                        self.arrived.put(event)
                    event = {}
                elif not line.startswith(":"):
                    name, _, value = line.partition(":")
                    value = value[1:] if value.startswith(" ") else value
                    event[name] = event[name] + "\n" + value if name in event else value
        except (OSError, ValueError, http.client.HTTPException, AttributeError):
            pass
        self.arrived.put(None)

    def next(self):
        event = self.arrived.get(timeout=DEADLINE_S)
        check(event is not None, "the event stream ended")
        event["json"] = json.loads(event["data"]) if event.get("data") else None
        self.seen.append(event)
        return event

    def until(self, kind, uid=None):
        while True:
            event = self.next()
            if event.get("event") == kind and (uid is None or event["json"].get("uid") == uid):
                return event

    def close(self):
        try:
            if self.socket:
                self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.connection.close()


# ---- the daemon ----


class Daemon:
    """`ruche serve` on a store of its own, over a Unix socket. Used with `with`: what it leaves behind is removed, and a sanitizer's
    complaint or a wrong exit fails the story."""

    def __init__(self, *arguments, env=None, store=None, tcp=False, preexec=None):
        self.directory = tempfile.mkdtemp(prefix="ruche-story-", dir=os.environ.get("STORY_DIR", "/var/tmp"))
        self.store = store or os.path.join(self.directory, "ruche.db")
        self.socket_path = os.path.join(self.directory, "s")
        self.log_path = os.path.join(self.directory, "log")
        self.arguments = list(arguments)
        self.token = "rch_" + secrets.token_urlsafe(32)
        patience = {"RUCHE_FORMATS_WALL_MS": "60s"}  # a program that waits for a processor, or for its helper to start, is not one that hangs
        self.env = {**os.environ, **patience, "NO_COLOR": "1", "RUCHE_ADMIN_TOKEN": self.token, **(env or {})}
        self.tcp = held_port() if tcp else None
        self.preexec = preexec
        self.process = None
        self.contract = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, value, trace):
        try:
            if self.process and self.process.poll() is None:
                self.stop()
        finally:
            if kind is not None:
                sys.stderr.write(f"---- the daemon's log ----\n{self.log()[-6000:]}\n----\n")
            if self.process and self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            shutil.rmtree(self.directory, ignore_errors=True)

    def command(self):
        listen = ["--listen", f"unix:{self.socket_path}"]
        if self.tcp:
            listen += ["--listen", f"127.0.0.1:{self.tcp}"]
        return [options.ruche, "serve", "--ephemeral", "--shutdown-grace-ms", "1s", "--store-path", self.store, *listen, *self.arguments]

    def log(self):
        try:
            with open(self.log_path, encoding="utf-8", errors="replace") as text:
                return text.read()
        except OSError:
            return ""

    def spawn(self):
        with open(self.log_path, "a") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env, preexec_fn=self.preexec)

    def start(self, contract=True):
        self.spawn()
        self.wait_ready()
        if self.contract is None and contract:
            self.contract = Contract(Client(self).get("/v1/openapi.json"))
        self.api = Client(self)
        return self

    def connect(self, timeout=DEADLINE_S):
        return UnixConnection(self.socket_path, timeout)

    def wait_ready(self):
        """Asks /readyz until it says yes; the pause only keeps the machine free."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            check(self.process.poll() is None, f"the daemon ended with {self.process.returncode} while starting:\n{self.log()[-3000:]}")
            check(time.monotonic() < deadline, f"the daemon was not ready in time:\n{self.log()[-3000:]}")
            try:
                connection = self.connect(timeout=5)
                connection.request("GET", "/readyz")
                ready = connection.getresponse().status == 200
                connection.close()
                if ready:
                    return
            except OSError:
                pass
            time.sleep(0.01)

    def kill(self, look=True):
        """kill -9, at once; and SQLite must find the file whole."""
        self.process.kill()
        self.process.wait()
        if getattr(self, "api", None):
            self.api.close()
        if look:
            equal(self.integrity(), "ok", "integrity_check after kill -9")

    def integrity(self):
        """What SQLite thinks of the file, on a copy: recovery itself is left to the daemon."""
        copy = os.path.join(self.directory, "copy.db")
        for suffix in ("", "-wal"):
            if os.path.exists(self.store + suffix):
                shutil.copyfile(self.store + suffix, copy + suffix)
        if not os.path.exists(copy):
            return "ok"  # killed before there was a file
        database = sqlite3.connect(copy)
        verdict = database.execute("PRAGMA integrity_check").fetchone()[0]
        database.close()
        for suffix in ("", "-wal", "-shm"):
            if os.path.exists(copy + suffix):
                os.unlink(copy + suffix)
        return verdict

    def restart(self):
        self.kill()
        self.start()

    def stop(self):
        """SIGTERM: it must end well, and the sanitizers must be content."""
        if getattr(self, "api", None):
            self.api.close()
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(timeout=DEADLINE_S)
        except subprocess.TimeoutExpired:
            raise AssertionError("the daemon did not end after SIGTERM") from None
        equal(code, 0, "exit code after SIGTERM")

    def cli(self, *arguments, status=0, stdin=b"", env=None, timeout=DEADLINE_S):
        """Runs a command of the command line against this daemon; returns its output as bytes."""
        where = {"RUCHE_URL": f"unix:{self.socket_path}", "RUCHE_TOKEN": self.token or "", "NO_COLOR": "1"}
        done = subprocess.run([options.ruche, *arguments], input=stdin, capture_output=True, env={**os.environ, **where, **(env or {})}, timeout=timeout, check=False)
        self.cli_errors = done.stderr.decode(errors="replace")
        equal(done.returncode, status, f"exit code of ruche {' '.join(arguments)}: {self.cli_errors}{done.stdout.decode(errors='replace')[-500:]}")
        return done.stdout


held_ports = []


def held_port():
    """A port of loopback that nobody else is given while this process lives: it stays bound by a socket that does not listen. Whoever says
    SO_REUSEADDR, as the daemon and Receiver do, may listen there, once or again; while nobody does, connections are refused."""
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    held_ports.append(holder)
    return holder.getsockname()[1]


# ---- third parties ----


class Received:
    def __init__(self, method, path, headers, body):
        self.method, self.path, self.headers, self.body = method, path, headers, body
        self.at_s = time.monotonic()


class Receiver:
    """A third party on loopback that answers by script: each request takes the next step, the last one repeats. A step is a status,
    (status, headers, body), "hang", "reset", or a function of (socket, received)."""

    def __init__(self, *script, gate=None, port=None):
        self.script = list(script) or [200]
        self.received = []
        self.connections = 0
        self.open, self.peers = 0, set()  # connections that are being served; addresses that ever were
        self.changed = threading.Condition()
        self.closing = threading.Event()
        self.gate = gate  # an Event that each answer waits for
        self.port = port or held_port()  # also when it is closed: what a daemon of ours still tries there must meet nobody else's third party
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=512)
        self.url = f"http://127.0.0.1:{self.port}/hook"
        self.threads = []
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.closing.set()
        if self.gate:
            self.gate.set()
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()

    def accept(self):
        while not self.closing.is_set():
            try:
                client, peer = self.listener.accept()
            except OSError:
                return
            with self.changed:
                self.connections += 1
                self.open += 1
                self.peers.add(peer)
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def hear_out(self):
        """Until all that came before has been read to its end: what a daemon that was killed had sent, and nobody had looked at yet, is counted then."""
        with socket.create_connection(("127.0.0.1", self.port)) as last:
            own = last.getsockname()
        with self.changed:
            check(self.changed.wait_for(lambda: own in self.peers and not self.open, DEADLINE_S), f"{self.open} connections are still open")

    def read(self, stream):
        line = stream.readline().decode("latin-1").strip()
        if not line:
            return None
        method, path, _ = line.split(" ", 2)
        headers = {}
        while True:
            line = stream.readline().decode("latin-1").rstrip("\r\n")
            if not line:
                break
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return Received(method, path, headers, stream.read(int(headers.get("content-length", 0))))

    def serve(self, client):
        stream = client.makefile("rb")
        try:
            while True:
                received = self.read(stream)
                if received is None:
                    return
                with self.changed:
                    step = self.script[min(len(self.received), len(self.script) - 1)]
                    self.received.append(received)
                    self.changed.notify_all()
                if self.gate:
                    self.gate.wait(DEADLINE_S)
                if not self.answer(client, received, step):
                    return
        except (OSError, ValueError):
            pass
        finally:
            stream.close()
            client.close()
            with self.changed:
                self.open -= 1
                self.changed.notify_all()

    def answer(self, client, received, step):
        if callable(step):
            return step(client, received)
        if step == "hang":
            client.settimeout(DEADLINE_S)
            client.recv(1)  # until the other side gives up
            return False
        if step == "reset":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        status, headers, body = step if isinstance(step, tuple) else (step, {}, b'{"ok":true}')
        head = f"HTTP/1.1 {status} Scripted\r\nContent-Length: {len(body)}\r\n"
        client.sendall((head + "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n").encode() + body)
        return True

    def wait(self, count):
        """The count-th request, once it is here."""
        with self.changed:
            there = self.changed.wait_for(lambda: len(self.received) >= count, DEADLINE_S)
            check(there, f"{len(self.received)} requests came, {count} were expected")
            return self.received[count - 1]


# ---- running ----

stories = []


class House:
    """A daemon that may call loopback, and a third party there that answers by script."""

    def __init__(self, *script, gate=None, arguments=()):
        self.third = Receiver(*script, gate=gate)
        self.ruche = Daemon("--deliver-allow", "127.0.0.0/8", *arguments)

    def __enter__(self):
        self.ruche.__enter__()
        return self

    def __exit__(self, *problem):
        self.third.close()
        self.ruche.__exit__(*problem)

    @property
    def api(self):
        return self.ruche.api


def story(function):
    stories.append(function)
    return function


def run():
    global options
    parser = argparse.ArgumentParser()
    parser.add_argument("--ruche", default=os.path.join(ROOT, "build-test/src/daemon/ruche"))
    parser.add_argument("names", nargs="*", help="run only these")
    options = parser.parse_args()
    options.ruche = os.path.abspath(options.ruche)
    passed = failed = skipped = 0
    for function in stories:
        name = function.__name__
        if options.names and name not in options.names:
            continue
        begun = time.monotonic()
        try:
            if inspect.signature(function).parameters:
                with Daemon() as daemon:
                    function(daemon)
            else:
                function()
            passed += 1
            print(f"ok    {name} ({time.monotonic() - begun:.1f} s)", flush=True)
        except Skip as reason:
            skipped += 1
            print(f"SKIP  {name}: {reason}", flush=True)
        except Exception:  # noqa: BLE001 a story may fail in any way
            failed += 1
            print(f"FAIL  {name}: {(function.__doc__ or '').strip()}", flush=True)
            traceback.print_exc()
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""), flush=True)
    if failed:
        sys.exit(1)
    if skipped and not passed:
        sys.exit(77)
