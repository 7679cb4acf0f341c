"""The demo: it ends well when all is well, and only then: other bytes or another end of the job make it fail."""

import os
import subprocess
import sys
import tempfile

import harness
from harness import ROOT, check, equal, run, story

WRAPPER = """#!/bin/sh
[ "$1" != "{command}" ] || set -- $(printf '%s\\n' "$@" | sed '{change}')
exec {ruche} "$@"
"""


def demo(directory, command="none", change=""):
    """Runs the demo with a `ruche` whose words are changed for one of its commands. (exit code, output)"""
    wrapper = os.path.join(directory, "ruche")
    with open(wrapper, "w", encoding="utf-8") as file:
        file.write(WRAPPER.format(command=command, change=change, ruche=harness.options.ruche))
    os.chmod(wrapper, 0o755)
    done = subprocess.run([sys.executable, os.path.join(ROOT, "tools", "demo.py"), "--ruche", wrapper], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120,
                          stdin=subprocess.DEVNULL, env={**os.environ, "NO_COLOR": "1"}, check=False)
    return done.returncode, done.stdout.decode(errors="replace")


@story
def the_demo_ends_well():
    """As a newcomer runs it: three attempts, a kill in between, the right bytes each time."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        code, text = demo(directory)
        equal(code, 0, f"exit code of {text}")
        for says in ("HTTP 503", "kill -9", "attempt 3", "ok    the job is completed", "ok    each with the sheet's", "ok    all four signatures are good",
                     "ok    communs was not called", "nothing was lost"):
            check(says in text, f"{says!r} is not in {text}")
        equal(text.count("FAIL"), 0, f"failures in {text}")


@story
def other_bytes_fail():
    """The third party gets one byte more than the sheet has: the demo says so and fails."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        other = os.path.join(directory, "sheet.json")
        with open(os.path.join(ROOT, "examples", "fiche-action.json"), "rb") as sheet, open(other, "wb") as file:
            file.write(sheet.read().strip().replace(b"{", b"{ ", 1))
        code, text = demo(directory, "enqueue", f"s|^/.*fiche-action.json$|{other}|")
        equal(code, 1, f"exit code of {text}")
        check("FAIL  each with the sheet's" in text and "nothing was lost" not in text, text)


@story
def another_end_fails():
    """The third party refuses in the end: the bytes were right, and the demo fails all the same."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        code, text = demo(directory, "sink", "s/503,hang,200/503,hang,410/")
        equal(code, 1, f"exit code of {text}")
        check("FAIL  the job is completed" in text and "nothing was lost" not in text, text)


@story
def another_sheet_fails():
    """The third parties are sent another sheet: the demo says so and fails."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        code, text = demo(directory, "send", "s|^@.*fiche-action.json$|{}|")
        equal(code, 1, f"exit code of {text}")
        check("ok    all four signatures are good" in text and "FAIL  all four with the sheet in them" in text and "nothing was lost" not in text, text)


if __name__ == "__main__":
    run()
