"""A full disk: enqueues are refused clearly, completions still work, and space that comes back is enough to go on."""

import os
import subprocess
import tempfile
import time

from harness import DEADLINE_S, Daemon, Skip, check, equal, run, story


class SmallDisk:
    """A tmpfs of a few megabytes, where this machine lets us mount one."""

    def __init__(self, megabytes):
        self.path = tempfile.mkdtemp(prefix="ruche-disk-", dir="/var/tmp")
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "ruche-story", self.path], capture_output=True, check=False)
        if done.returncode:
            os.rmdir(self.path)
            raise Skip(f"mounting a tmpfs is not permitted here: {done.stderr.decode().strip()}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", self.path], check=False)
        os.rmdir(self.path)


@story
def full_and_free_again():
    """507 with a reason while it is full; the running job completes; freed space is used without a restart; nothing is lost."""
    with SmallDisk(24) as disk:
        with Daemon("--store-reserve-bytes", "2MiB", store=os.path.join(disk.path, "ruche.db")) as ruche:
            api = ruche.api
            ballast = os.path.join(disk.path, "ballast")
            with open(ballast, "wb") as file:
                file.write(b"\0" * (9 << 20))
            running = api.enqueue("work")["uid"]
            _, token = api.claim_one("work", lease_ms=600000)
            acknowledged, refused = [], None
            for number in range(2000):
                answer = api.call("POST", "/v1/jobs", {"queue": "fill", "id": f"f{number}", "payload": "x" * 60000}, status=(200, 201, 503, 507))
                if answer.status >= 500:
                    refused = answer.json
                    break
                acknowledged.append(answer.json["uid"])
            check(refused, "the disk never filled")
            equal(refused["code"], "store_full", "code")
            api.complete(running, token, "done")
            equal(api.job(running)["state"], "completed", "the running job")
            os.unlink(ballast)
            deadline = time.monotonic() + DEADLINE_S
            while api.call("POST", "/v1/jobs", {"queue": "fill", "id": "after"}, status=(200, 201, 507)).status == 507:
                check(time.monotonic() < deadline, "freed space is not used")
                time.sleep(0.05)  # the daemon looks again by itself; the pause keeps the machine free
            ruche.restart()
            for uid in acknowledged:
                equal(ruche.api.job(uid)["state"], "waiting", "an acknowledged job")


if __name__ == "__main__":
    run()
