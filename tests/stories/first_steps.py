"""First steps: `ruche dev` prints lines that work as pasted; the examples of the daemon's own commands work as printed."""

import json
import os
import re
import select
import signal
import subprocess
import tempfile
import time

import harness
from harness import DEADLINE_S, check, equal, run, story

DAEMON_COMMANDS = ("serve", "dev", "doctor", "backup", "config check", "config print")
READY = {"serve": "daemon.ready", "dev": "What the receiver gets:"}  # what it says once it runs: from then on it can be asked to stop


def said_until(process, mark):
    """What it prints, up to the mark at least; less, if it ends before."""
    text, deadline = "", time.monotonic() + DEADLINE_S
    while mark not in text:
        check(time.monotonic() < deadline, f"it never said {mark!r}: {text}")
        if select.select([process.stdout], [], [], 1)[0]:
            piece = os.read(process.stdout.fileno(), 65536).decode(errors="replace")
            if not piece:
                break
            text += piece
    return text


class Dev:
    """`ruche dev` in a directory of its own, on free ports; its first page is read up to the line about events."""

    def __init__(self, directory, *arguments):
        self.process = subprocess.Popen([harness.options.ruche, "dev", "--listen", "127.0.0.1:0", *arguments], cwd=directory, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, env={**os.environ, "NO_COLOR": "1"})
        try:
            self.page = said_until(self.process, READY["dev"])
            check(READY["dev"] in self.page, f"it did not come up: {self.page}")
        except AssertionError:
            self.process.kill()
            raise

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.stdout.close()
        equal(self.process.wait(DEADLINE_S), 0, "exit code of ruche dev")


@story
def lines_to_paste():
    """Each curl line of `ruche dev`, one after the other, in a shell."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        dev = Dev(directory)
        lines = re.findall(r"^  ((?:curl|\S*ruche) .*)$", dev.page, re.MULTILINE)
        check(len(lines) >= 15, f"lines to paste: {lines}")
        answers, env = [], {**os.environ, "NO_COLOR": "1"}
        for line in lines:
            if "/v1/events" in line:
                line = line.replace("-sN", "-sN -m 1")
            done = subprocess.run(["sh", "-c", line], capture_output=True, timeout=60, check=False, env=env)
            check(done.returncode in ((0, 28) if "/v1/events" in line else (0,)), f"{line}: {done.stderr.decode()}")
            text = done.stdout.decode()
            check('"problem"' not in text and '"type":"urn:' not in text, f"{line}: {text}")
            answers.append(text)
        check("warn" not in dev.page, f"`dev` warns of what it does itself: {dev.page}")
        check('completed {"status":200' in answers[lines.index(next(line for line in lines if " enqueue hooks " in line))], "the job of `ruche enqueue --wait`")
        check('"deliveries":1' in answers[lines.index(next(line for line in lines if line.endswith("/v1/messages")))], "the message")
        check(" to 1 endpoint" in answers[lines.index(next(line for line in lines if " send sheet.saved " in line))], "the message of `ruche send`")
        first = json.loads(next(answer for line, answer in zip(lines, answers) if line.endswith("/jobs/first")))
        equal(first["state"], "completed", "the job that curl worked on")
        url = re.search(r"http://127\.0\.0\.1:\d+", lines[0].split()[-1]).group(0)
        done = subprocess.run([harness.options.ruche, "jobs", "show", "hooks/sheet-417", "--json", "--url", url], capture_output=True, check=True)
        check(json.loads(done.stdout)["state"] in ("completed", "active", "waiting"), "the delivered job")
        dev.stop()


@story
def examples_of_the_daemons_own_commands():
    """serve, dev, doctor, backup, config: with the paths of the examples put into a directory of ours."""
    with harness.Daemon(tcp=True) as ruche, tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        os.symlink(harness.options.ruche, os.path.join(directory, "ruche"))
        with open(os.path.join(directory, "ruche.conf"), "w", encoding="utf-8") as file:
            file.write("[log]\nlevel = \"info\"\n")
        failures, ran = [], 0
        for name in DAEMON_COMMANDS:
            text = subprocess.run([harness.options.ruche, *name.split(), "--help"], capture_output=True, check=True).stdout.decode()
            for example in re.search(r"\nexamples:\n((?:  .*\n)+)", text).group(1).splitlines():
                live = name in ("doctor", "backup")  # these look at the running daemon's store
                places = {"/var/lib/ruche/ruche.db": ruche.store if live else f"{directory}/own.db", "/etc/ruche.conf": f"{directory}/ruche.conf",
                          "/run/ruche.sock": f"{directory}/s", "/tmp/": directory + "/", "127.0.0.1:8420": f"127.0.0.1:{ruche.tcp}"}
                line = re.sub("|".join(map(re.escape, places)), lambda match: places[match.group(0)], example.strip())
                listen = "" if "--listen" in line or name not in ("serve", "dev") else f" --listen unix:{directory}/s"
                env = {**os.environ, "PATH": directory + ":" + os.environ["PATH"], "NO_COLOR": "1", "RUCHE_EPHEMERAL": "true"}
                if name == "doctor":
                    env["RUCHE_TOKEN"] = ruche.token
                process = subprocess.Popen(["sh", "-c", "exec " + line + listen], cwd=directory, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                           stderr=subprocess.STDOUT)
                said = ""
                if name in READY:
                    said = said_until(process, READY[name])
                    process.send_signal(signal.SIGTERM)
                output, _ = process.communicate(timeout=DEADLINE_S)
                ran += 1
                if process.returncode != 0:
                    failures.append(f"{line}: exit code {process.returncode}: {(said + output.decode(errors='replace'))[-800:]}")
        check(not failures, "\n".join(failures))
        check(ran >= 10, f"only {ran} examples")


if __name__ == "__main__":
    run()
