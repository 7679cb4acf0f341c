"""No more descriptors: connections that are there go on, new ones wait or are refused, and it recovers by itself."""

import resource
import socket

from harness import DEADLINE_S, Daemon, check, equal, run, story


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
        fresh = ruche.api.again()
        equal(fresh.enqueue("few", 3)["state"], "waiting", "a new client afterwards")
        check(ruche.process.poll() is None, "the daemon ended")


if __name__ == "__main__":
    run()
