# SPDX-License-Identifier: MIT
"""Builds with Meson, and runs tests as Meson does."""
import fnmatch
import json
import os
import pathlib
import subprocess

import tap

SUITES = ("library", "engine", "data")


def call(command, cwd=None, env=None, quiet=True):
    """Exit status and what was said. Many such runs go beside other work, so they are nice."""
    done = subprocess.run(["nice", "-n", "10", *map(str, command)], cwd=cwd, env={**os.environ, **(env or {})}, check=False,
                          stdout=subprocess.PIPE if quiet else None, stderr=subprocess.STDOUT, text=True, errors="replace")
    return done.returncode, done.stdout or ""


def setup(root, build, options, env=None):
    """None, or what went wrong."""
    if (build / "build.ninja").exists():
        return None
    status, said = call(["meson", "setup", build, root, "-Dbench=disabled", *options], env=env)
    return said if status else None


def tests_of(build, names):
    """{name: test} of the tests to run: those called so, or all of the suites."""
    found = {}
    for test in json.loads(call(["meson", "introspect", "--tests", build])[1]):
        suites = {s.split(":")[-1] for s in test["suite"]}
        if test["name"] in names if names else suites & set(SUITES):
            found[test["name"]] = test
    return found


def compile_all(build, tests, others):
    """Warnings and errors, as text: nothing if there are none."""
    targets = set()
    for target in json.loads(call(["meson", "introspect", "--targets", build])[1]):
        files = [pathlib.Path(f) for f in target["filename"]]
        used = any(str(f) in t["cmd"] for f in files for t in tests.values())
        # The files of one folder are built with it, but not what is linked again for other purposes.
        if used or any(fnmatch.fnmatch(str(f.relative_to(build)), p) for f in files for p in others):
            targets |= {str(f.relative_to(build)) for f in files}
    status, said = call(["ninja", "-k", "0", "-C", build, *sorted(targets)])
    found = [line for line in said.splitlines() if "warning:" in line or "error:" in line]
    return "\n".join(found) or (said[-3000:] if status else "")


def run(build, tests, emulator):
    """What became of these tests."""
    result = tap.Result()
    log = build / "meson-logs/cross.json"
    log.unlink(missing_ok=True)
    call(["meson", "test", "-C", build, "--no-rebuild", "--quiet", "--logbase", "cross", "--timeout-multiplier", 4, *sorted(tests)],
         env=emulator.environment() if emulator else {})
    if not log.exists():
        result.failed.append("meson test left no log")
        return result
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        test = json.loads(line)
        name, out = test["name"].split(" / ")[-1], test.get("stdout") or ""
        if result.take(name, out, emulator):
            continue
        if test["result"] == "SKIP":
            result.skip((out.strip().splitlines() or ["it says not why"])[-1])
        elif test["result"] in ("OK", "EXPECTEDFAIL"):
            result.passed += 1
        else:
            result.fail(name, "all", emulator)
    return result
