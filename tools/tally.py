"""tally: counts what ran, from Meson's test logs, and says it in one plain line: "N passed, N failed".

A cmocka program counts each of its cases; a program whose last lines say "N passed, N failed" (stories, crashes, seeds)
counts what it says; any other program counts as one. Exits 1 when something failed, or when the caller saw a fault that
no log shows (a suite that did not even start)."""

import argparse
import json
import re
import sys

CMOCKA = re.compile(r"\[  (PASSED|FAILED)  \] (?:[^\n]*?: )?(\d+) test\(s\)")
OWN = re.compile(r"^(\d+) passed, (\d+) failed(?:, \d+ skipped)?\s*$", re.MULTILINE)


def count_program(entry):
    """(passed, failed, skipped) of one program run."""
    text = (entry.get("stdout") or "") + "\n" + (entry.get("stderr") or "")
    result = entry["result"]
    if result == "SKIP":
        return 0, 0, 1
    good = result in ("OK", "EXPECTEDFAIL")
    own = OWN.findall(text)
    if own:
        passed, failed = (int(n) for n in own[-1])
    else:
        sums = {"PASSED": 0, "FAILED": 0}
        for word, number in CMOCKA.findall(text):
            sums[word] += int(number)
        passed, failed = sums["PASSED"], sums["FAILED"]
    if passed + failed == 0:
        passed = 1 if good else 0
    if not good and failed == 0:
        failed = 1  # it crashed, timed out or leaked: no case admits to it
    return passed, failed, 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--passed", type=int, default=0)
    parser.add_argument("--failed", type=int, default=0)
    parser.add_argument("--fault", type=int, default=0)
    parser.add_argument("logs", nargs="*")
    options = parser.parse_args()
    passed, failed, skipped, bad = options.passed, options.failed, [], []
    for path in options.logs:
        with open(path, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                entry = json.loads(line)
                more_passed, more_failed, more_skipped = count_program(entry)
                passed += more_passed
                failed += more_failed
                if more_skipped:
                    skipped.append(entry["name"])
                if more_failed:
                    bad.append(entry["name"])
    for name in skipped:
        print(f"SKIP {name}")
    for name in bad:
        print(f"FAIL {name}")
    if options.fault and failed == 0:
        print("FAIL a part did not run; see above")
        failed = 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
