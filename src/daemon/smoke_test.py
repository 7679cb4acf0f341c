"""The real binary, end to end: a first start and its token, a job claimed and completed, a delivery to a receiver, kill -9 in
between, a bulk operation that goes on after a restart, reload, backup beside the running daemon, and an orderly end. Only processes
started here are signalled. Standard library only."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

DEADLINE_S = 60  # only a defect reaches it


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("ruche", timeout=DEADLINE_S)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class House:
    def __init__(self, ruche):
        self.ruche = ruche
        self.directory = tempfile.mkdtemp(prefix="ruche-smoke-", dir="/var/tmp")
        self.store = os.path.join(self.directory, "s.db")
        self.socket = os.path.join(self.directory, "s")
        self.log_path = os.path.join(self.directory, "log")
        self.config = os.path.join(self.directory, "ruche.conf")
        self.process = self.sink = None
        self.token = None
        with open(self.config, "w", encoding="utf-8") as file:
            file.write('[deliver]\nallow = ["127.0.0.0/8"]\n')

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def start(self):
        with open(self.log_path, "a", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [self.ruche, "serve", "--config", self.config, "--store", self.store, "--listen", f"unix:{self.socket}", "--ephemeral"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.until(lambda: self.ready(), "the daemon is ready")
        if not self.token:
            self.token = re.search(r"RUCHE_TOKEN=(rch_\S+)", self.log()).group(1)

    def ready(self):
        assert self.process.poll() is None, f"the daemon ended with {self.process.returncode}:\n{self.log()}"
        try:
            return self.call("GET", "/readyz", status=None)[0] == 200
        except OSError:
            return False

    def until(self, holds, what):
        deadline = time.monotonic() + DEADLINE_S
        while True:
            found = holds()
            if found:
                return found
            assert time.monotonic() < deadline, f"it never came that {what}:\n{self.log()}"
            time.sleep(0.01)

    def call(self, method, path, body=None, status=(200, 201, 202)):
        connection = UnixConnection(self.socket)
        try:
            headers = {"Content-Type": "application/json"} if body is not None else {}
            if self.token:
                headers["Authorization"] = f"Bearer {self.token}"
            connection.request(method, path, body=None if body is None else json.dumps(body), headers=headers)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        assert status is None or answer.status in status, f"{method} {path}: {answer.status} {text!r}"
        return answer.status, json.loads(text) if text[:1] in (b"{", b"[") else text

    def job(self, queue, name):
        return self.call("GET", f"/v1/queues/{queue}/jobs/{name}")[1]

    def run(self, *words, status=0):
        done = subprocess.run([self.ruche, *words], capture_output=True, text=True, timeout=DEADLINE_S, check=False)
        assert done.returncode == status, f"ruche {' '.join(words)}: {done.returncode}, not {status}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=DEADLINE_S)
        assert code == 0, f"exit code {code} after SIGTERM:\n{self.log()}"

    def start_sink(self, script):
        port = free_port()
        self.sink = subprocess.Popen([self.ruche, "sink", "--listen", f"127.0.0.1:{port}", "--script", script],
                                     stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.until(lambda: accepts(port), "the receiver listens")
        return f"127.0.0.1:{port}"

    def close(self):
        for process in (self.process, self.sink):
            if process and process.poll() is None:
                process.kill()
                process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def accepts(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S).close()
        return True
    except OSError:
        return False


def pull(house):
    house.call("POST", "/v1/jobs", {"queue": "sheets", "id": "a", "payload": {"sheet": 417}})
    claimed = house.call("POST", "/v1/claims", {"queues": ["sheets"], "max": 1, "wait_ms": 1000, "token": "mine"})[1]["jobs"]
    assert [job["id"] for job in claimed] == ["a"], claimed
    house.kill()  # while the job runs: the lease survives
    house.start()
    assert house.job("sheets", "a")["state"] == "active"
    house.call("POST", "/v1/batch", {"ops": [{"op": "complete", "queue": "sheets", "id": "a", "token": "mine", "result": {"ok": True}}]})
    job = house.job("sheets", "a")
    assert job["state"] == "completed" and job["result"] == {"ok": True}, job


def deliver(house):
    address = house.start_sink("503,200")
    house.call("PUT", "/v1/queues/hooks", {"target": "http", "http": {"url": f"http://{address}/hook"}, "retry": {"kind": "fixed", "delay_ms": 200}})
    house.call("POST", "/v1/jobs", {"queue": "hooks", "id": "b", "payload": {"action": "couvrir le métier"}})
    house.until(lambda: house.job("hooks", "b")["attempts_made"] >= 1, "the first call failed")
    house.kill()
    house.start()
    ended = house.until(lambda: (lambda job: job if job["finished_at"] else None)(house.job("hooks", "b")), "the delivery ends")
    assert ended["state"] == "completed", ended


def bulk(house):
    jobs = [{"queue": "many", "id": f"j{n}", "payload": n, "delay_ms": 3600000} for n in range(3000)]
    house.call("POST", "/v1/jobs", {"jobs": jobs})
    operation = house.call("POST", "/v1/operations", {"action": "cancel", "filter": {"queue": "many", "states": ["delayed"]}})[1]
    uid = operation["uid"]
    house.kill()  # whatever it had done by then, the rest follows
    house.start()
    done = house.until(lambda: (lambda row: row if row["state"] == "done" else None)(house.call("GET", f"/v1/operations/{uid}")[1]), "it is done")
    assert done["done"] == 3000 and done["failed"] == 0, done
    states = house.call("GET", "/v1/queues/many")[1]["states"]
    assert states["cancelled"] == 3000 and states["delayed"] == 0, states


def around(house):
    copy = os.path.join(house.directory, "copy.db")
    house.run("backup", "--store", house.store, "--to", copy)
    assert "--to: " in house.run("backup", "--store", house.store, "--to", copy, status=65)
    house.run("doctor", "--store", house.store, "--listen", f"unix:{house.socket}", "--ephemeral", "--url", f"unix:{house.socket}")
    house.run("serve", "--store", house.store, "--listen", "127.0.0.1:0", "--ephemeral", status=75)
    assert "did you mean 'store.path'" in house.run("config", "check", "--config", spoil(house), status=78)
    with open(house.config, "a", encoding="utf-8") as file:
        file.write("[log]\nlevel = debug\n")
    house.process.send_signal(signal.SIGHUP)
    house.until(lambda: "reload.done" in house.log(), "the reload is done")
    assert "reload.changed" in house.log()
    metrics = house.call("GET", "/metrics")[1].decode()
    assert "ruche_up 1" in metrics and metrics.rstrip().endswith("# EOF"), metrics[-200:]


def spoil(house):
    path = os.path.join(house.directory, "spoilt.conf")
    with open(path, "w", encoding="utf-8") as file:
        file.write("store.pth = x\n")
    return path


def main():
    house = House(sys.argv[1])
    try:
        house.start()
        for step in (pull, deliver, bulk, around):
            step(house)
            print(f"ok {step.__name__}")
        house.stop()
        print("ok stop")
    finally:
        house.close()


main()
