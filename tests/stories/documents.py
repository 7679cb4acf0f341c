"""Documents: every block of README and docs that is marked `sh runnable` works as printed, in order, page by page; the API page and the
guide leave nothing out."""

import glob
import json
import os
import re
import subprocess
import tempfile

import harness
from harness import ROOT, Daemon, Skip, check, equal, run, story


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


@story
def the_api_page_is_whole(ruche):
    """docs/api.md has each route of the served document as a heading and nothing else, and names each field that a route takes or an object has."""
    with open(os.path.join(ROOT, "docs", "api.md"), encoding="utf-8") as file:
        page = file.read()
    document = ruche.api.get("/v1/openapi.json")
    served = {f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item if method != "parameters"}
    written = set(re.findall(r"^### `([A-Z]+ /[^`]*)`", page, re.MULTILINE))
    equal(sorted(served - written), [], "routes that docs/api.md leaves out")
    equal(sorted(written - served), [], "routes that docs/api.md invents")
    fields = {field for schema in document["components"]["schemas"].values() for field in schema.get("properties", {})}
    fields |= {parameter["name"] for item in document["paths"].values() for method in item.values() if isinstance(method, dict)
               for parameter in method.get("parameters", []) if parameter.get("in") == "query"}
    words = set(re.findall(r"[A-Za-z_0-9]+", page))
    equal(sorted(fields - words), [], "fields that docs/api.md does not name")


@story
def the_guide_knows_the_defaults(ruche):
    """What docs/guide.md says of a queue's defaults is what a fresh queue has."""
    with open(os.path.join(ROOT, "docs", "guide.md"), encoding="utf-8") as file:
        page = file.read()
    settings = ruche.api.put("/v1/queues/fresh", {})["settings"]
    retry, http = settings["retry"], settings["http"]

    def row(name, of, *values):
        found = [line for line in re.findall(rf"^\| `{name}` .*$", page, re.MULTILINE) if any(value in line.split("|")[-2] for value in values)]
        check(found, f"docs/guide.md: no row of `{name}` says that {of} is {' or '.join(values)} by default")

    row("keep_completed", "it", json.dumps(settings["keep_completed"]))
    equal({**settings["keep_completed"], "age_ms": 30 * 86400000}, settings["keep_failed"], "the same with 30 days")
    row("max_attempts", "it", str(retry["max_attempts"]))
    row("kind", "it", retry["kind"])
    row("delay_ms", "it", f"{retry['delay_ms']:,}")
    row("factor", "it", str(retry["factor"]))
    row("max_delay_ms", "it", f"{retry['max_delay_ms']:,}")
    row("jitter", "it", f"`{retry['jitter']}`, {retry['jitter_ratio']}")
    row("method", "it", http["method"])
    row("timeout_ms", "http.timeout_ms", f"{http['timeout_ms']:,}")
    row("concurrency", "it", f"{settings['concurrency']}: no limit")
    check(f"for `lease_ms` (the queue's {settings['lease_ms'] // 1000} s by default)" in page, "the lease")
    check(f"more than `max_stalls` ({settings['max_stalls']})" in page, "stalls")


@story
def the_guide_knows_every_code():
    """docs/guide.md explains each error of err.def with its status, and each key of the configuration that bounds something."""
    with open(os.path.join(ROOT, "docs", "guide.md"), encoding="utf-8") as file:
        page = file.read()
    with open(os.path.join(ROOT, "src", "base", "err.def"), encoding="utf-8") as file:
        errors = re.findall(r'^X\(\w+,\s*"(\w+)",\s*(\d+),\s*(\d+),\s*(\w+)', file.read(), re.MULTILINE)
    check(len(errors) > 20, "err.def was not understood")
    for code, status, exit_code, again in errors:
        row = f"| `{code}` | {status} | {exit_code} | {'yes' if again == 'true' else 'no'} |"
        check(row in page, f"docs/guide.md has no row '{row}'")
    with open(os.path.join(ROOT, "src", "engine", "command.h"), encoding="utf-8") as file:
        codes = re.search(r"#define EXPLAIN_CODES.*?#define X", file.read(), re.DOTALL).group(0)
    for code in re.findall(r'"(\w+)"', codes):
        check(re.search(rf"^\| .*`{code}`", page, re.MULTILINE), f"docs/guide.md does not explain '{code}'")


if __name__ == "__main__":
    run()
