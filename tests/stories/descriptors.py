"""No more descriptors: connections that are there go on, new ones wait or are refused, and it recovers by itself."""

import resource
import socket
import time

from harness import DEADLINE_S, Daemon, check, equal, run, story


def served(ruche):
    try:
        return ruche.api.again().call("POST", "/v1/jobs", {"queue": "few", "id": "fresh"}, status=(200, 201, 503)).status != 503
    except OSError:
        return False


@story
def too_many_connections():
    """With sixty-four descriptors and a hundred clients, the daemon keeps answering the one that it has."""
    limit = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))  # noqa: E731
    with Daemon(preexec=limit) as ruche:
        ruche.api.enqueue("few", 1)
        clients = []
        for _ in range(100):
            client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            client.settimeout(DEADLINE_S)
            try:
                client.connect(ruche.socket_path)
                clients.append(client)
            except OSError:
                client.close()
        ruche.api.enqueue("few", 2)
        equal(ruche.api.states("few")["waiting"], 2, "waiting")
        for client in clients:
            client.close()
        deadline = time.monotonic() + DEADLINE_S
        while not served(ruche):  # those that left are still being noticed
            check(time.monotonic() < deadline, "a new client is not served")
        check(ruche.process.poll() is None, "the daemon ended")


if __name__ == "__main__":
    run()
