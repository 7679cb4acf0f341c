"""Documents: every block of README and docs that is marked `sh runnable` works as printed, in order, page by page."""

import glob
import os
import re
import subprocess
import tempfile

import harness
from harness import ROOT, Daemon, Skip, check, run, story


def blocks(path):
    """(line, text) of each runnable block."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    for match in re.finditer(r"^```sh runnable\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        yield text[:match.start()].count("\n") + 2, match.group(1)


@story
def every_runnable_block():
    """One daemon a page; blocks share a directory and see RUCHE_URL, RUCHE_TOKEN and `ruche` in the path."""
    pages = [page for page in [os.path.join(ROOT, "README.md"), *sorted(glob.glob(os.path.join(ROOT, "docs", "**", "*.md"), recursive=True))]
             if os.path.exists(page) and any(True for _ in blocks(page))]
    if not pages:
        raise Skip("no page has a runnable block yet")
    for page in pages:
        with Daemon("--deliver-allow", "127.0.0.0/8", tcp=True) as ruche, tempfile.TemporaryDirectory() as directory:
            os.symlink(harness.options.ruche, os.path.join(directory, "ruche"))
            os.symlink(os.path.join(ROOT, "examples"), os.path.join(directory, "examples"))
            env = {**os.environ, "RUCHE_URL": f"http://127.0.0.1:{ruche.tcp}", "RUCHE_TOKEN": ruche.token, "NO_COLOR": "1",
                   "PATH": directory + ":" + os.environ["PATH"]}
            for line, text in blocks(page):
                done = subprocess.run(["sh", "-eu"], input=text.encode(), capture_output=True, cwd=directory, env=env, timeout=120, check=False)
                check(done.returncode == 0, f"{os.path.relpath(page, ROOT)}:{line}: exit code {done.returncode}: {(done.stdout + done.stderr).decode(errors='replace')[-1500:]}")


if __name__ == "__main__":
    run()
