#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the test programs on the files of other systems, over a fake of their calls.

    test/systems/run.py ROOT BUILD [--quick] [--system NAME]... [--only PROGRAM[/CASE]]... [--jobs N] [--learn]

ROOT is the source, BUILD a folder that Meson has configured, which knows the programs and their sources. For each
system the library is compiled as it is, the files of src/sys being those of that system, with its declarations
(library.h), and linked with the fake of its calls (fake_*.c) and with each test program. What a system cannot do is in
expect/reasons.txt,

    reason KEY: what it is about, and who says so
      on: SYSTEMS                                     (all, if it is missing)
      says: REGULAR EXPRESSION for what a case says when it fails for this reason; there may be several

and which cases fail for it in expect/NAME.txt: `KEY[+KEY]... PROGRAM CASE...`. A case that fails and is not there, one
that says anything else than its reasons have, and one that is there and passes: each fails the run. Keys with a
question mark behind them may also pass. --quick: some programs alone (QUICK). --learn prints the lines that are
missing. Exit status 1: something was not as it has to be.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import time

# name: whose declarations
SYSTEMS = {name: name.rstrip("0123456789")
           for name in ("darwin", "freebsd", "freebsd14", "openbsd", "netbsd", "dragonfly", "illumos")}
QUICK = ["conformance", "message_fds", "message_cred", "message_errors", "parts", "batch", "long_path"]
# Much like others.
NOT_QUICK = ["freebsd14", "dragonfly"]
# Programs that look at the shared library, at the harness itself, at Linux's files of src/sys or at its programs,
# or that measure.
WITHOUT = ["harness", "public", "addr_socat", "sys_fails", "systemd", "engine_many", "handover_load"]
# Where an abstract name is a means, and not what is tested, another name will do (any_name.c).
ANY_NAME = ["engine_world", "test_activation_start", "test_bad_flags", "test_bad_input", "test_bad_message",
            "test_batch", "test_datagram", "test_engine_datagram", "test_fds_buffers",
            "test_message", "test_message_errors"]
ANY_UNNAMED = ["test_handover_fail"]
# These are about control data, so it is that of the system for them too.
THEIR_CONTROL = ["test_control", "test_control_own"]
COMMON = ["-std=gnu11", "-D_GNU_SOURCE", "-g", "-Wall", "-Wextra", "-Werror", "-pthread", "-MMD"]


class Builder:
    """Compiles what is older than something it was made of."""

    def __init__(self, root, out, name, quick):
        self.root, self.out, self.name = root, out / name, name
        self.here = root / "test/systems"
        family = SYSTEMS[name]
        self.part = self.out / "system_part.h"
        self.out.mkdir(parents=True, exist_ok=True)
        header = root / "cross/include" / family / "system.h"
        header = header if header.exists() else self.here / "darwin.h"
        if not self.part.exists() or self.part.stat().st_mtime < max(header.stat().st_mtime,
                                                                     (self.here / "declare.py").stat().st_mtime):
            subprocess.run([sys.executable, self.here / "declare.py", header, self.part], check=True)
        sys.path.insert(0, str(root / "cross"))
        from compile import sources  # the same files as are compiled for the system itself
        self.library = [p for p in sources(root) if not quick or p.parent.name in ("sys", "core")]
        self.fake = sorted(self.here.glob("fake_*.c")) + [self.here / "traits.c"]
        define = [f"-DFAKE_{family.upper()}", f'-DSYSTEM_PART="{self.part}"']
        overlay = [f"-I{self.here}/include", f"-I{root}/include"]
        self.kinds = {
            "library": define + overlay + [f"-I{root}/src/sys", f"-I{root}/src/core",
                                           "-include", f"{self.here}/library.h"],
            "fake": define + [f'-DFAKE="{name}"'],
            "tests": define + overlay + ["-include", f"{self.here}/tests.h"],
        }

    def object(self, kind, source):
        made = self.out / kind / (str(source.relative_to(self.root)).replace("/", "_")[:-2] + ".o")
        made.parent.mkdir(exist_ok=True)
        depends = made.with_suffix(".d")
        more = ["-Dunx_addr_abstract=any_name"] if source.stem in ANY_NAME else []
        more += ["-Dunx_addr_unnamed=any_unnamed"] if source.stem in ANY_UNNAMED else []
        if source.stem in THEIR_CONTROL:
            kind, more = "library", ["-DFAKE_TEST"]
        command = ["cc", *COMMON, *self.kinds[kind], *more, "-c", "-o", str(made), str(source)]
        how = made.with_suffix(".command")
        if made.exists() and depends.exists() and how.exists() and how.read_text() == " ".join(command):
            names = depends.read_text().split(":", 1)[1].replace("\\\n", " ").split()
            if all(os.path.exists(n) and os.path.getmtime(n) <= made.stat().st_mtime for n in names):
                return made, ""
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        how.write_text(" ".join(command))
        if done.returncode != 0:
            made.unlink(missing_ok=True)
        return made, done.stdout

    def program(self, name, objects):
        made = self.out / name
        if made.exists() and all(o.stat().st_mtime <= made.stat().st_mtime for o in objects):
            return made, ""
        done = subprocess.run(["cc", "-pthread", "-o", made, *objects, "-ldl"], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        return made, done.stdout


def programs(root, build):
    """Test programs and the sources of each, and those of the harness, as Meson has them."""
    targets = json.loads((build / "meson-info/intro-targets.json").read_text())
    found, harness = {}, []
    for target in targets:
        own = [pathlib.Path(s) for part in target["target_sources"] for s in part.get("sources", [])]
        folder = pathlib.Path(target["defined_in"]).parent.name
        if target["name"] in ("harness", "engine-harness"):
            harness += own
        elif (target["name"].startswith("test_") and target["type"] == "executable" and folder in ("test", "frames") and
              not target["name"].startswith("test_adapter") and not target["name"].endswith("_static")):
            found[target["name"][5:]] = own
    harness.append(root / "test/systems/any_name.c")
    found.update({p.stem[5:]: [p] for p in (root / "test/systems").glob("test_*.c")})
    return {n: s for n, s in found.items() if n not in WITHOUT}, harness


def build_all(builder, chosen, harness, pool):
    """The programs, and what the compiler says."""
    jobs = [("library", s) for s in builder.library] + [("fake", s) for s in builder.fake]
    jobs += sorted({("tests", s) for n in chosen for s in chosen[n] + harness})
    made = dict(zip(jobs, pool.map(lambda job: builder.object(*job), jobs)))
    said = "".join(text for _, text in made.values())
    if said:
        return {}, said
    below = [made[job][0] for job in jobs if job[0] != "tests"]

    def link(name):
        return builder.program(name, [made["tests", s][0] for s in chosen[name] + harness] + below)

    linked = dict(zip(chosen, pool.map(link, chosen)))
    return {n: p for n, (p, _) in linked.items()}, "".join(text for _, text in linked.values())


def run_program(program, cases, environment):
    """What each case did: (passed, skipped, failed or how else it ended; what was said)."""
    results = {}
    for case in cases or [None]:
        done = subprocess.run([program, *([case] if case else [])], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, errors="replace", env=environment, check=False)
        said = []
        for line in done.stdout.splitlines():
            found = re.match(r"(not )?ok \d+ - (\w+)( # SKIP )?(.*)", line)
            if not found:
                said.append(line.lstrip("# "))
                continue
            bad, name, skipped, why = found.groups()
            text = " ¦ ".join(said)
            how = re.search(r"(\w+) (leaks|hangs|crashes), as it must not", text)
            results[name] = ("skipped" if skipped else "passed" if not bad else how.group(2) if how else "failed",
                             why if skipped else text)
            said = []
        if done.returncode not in (0, 1):
            results["(program)"] = ("crashes", f"exit status {done.returncode}: " + " ¦ ".join(said[-3:]))
    return results


class Expected:
    def __init__(self, *paths):
        self.says, self.of, self.about, self.on = {}, {}, {}, {}
        for path in paths:
            self.read(path)

    def read(self, path):
        key = None
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
            words = line.split()
            if not words or line.startswith("#"):
                continue
            if words[0] == "reason":
                key, self.about[key] = (part.strip() for part in line[7:].split(":", 1))
            elif words[0] == "says:":
                more = line.split("says:", 1)[1].strip()
                self.says[key] = f"{self.says[key]}|{more}" if key in self.says else more
            elif words[0] == "on:":
                self.on[key] = words[1:]
            elif line.startswith(" "):
                self.about[key] += " " + line.strip()
            else:
                self.read_cases(path, words)

    def read_cases(self, path, words):
        names = words[0].rstrip("?").split("+")
        if not set(names) <= set(self.says):
            sys.exit(f"{path}: no reason {words[0]}")
        for case in words[2:]:
            self.of[words[1], case] = (names, words[0].endswith("?"))

    def judge(self, program, case, how, text):
        """'' or what is wrong."""
        keys, maybe = self.of.get((program, case), ([], False))
        if how in ("passed", "skipped"):
            return "" if not keys or maybe or how == "skipped" else f"passes, and is listed under {'+'.join(keys)}"
        if not keys:
            return f"{how}: {text}"
        other = [line for line in complaints(how, text) if not any(re.search(self.says[k], line) for k in keys)]
        return f"fails in another way than {'+'.join(keys)}: {how}: {' ¦ '.join(other)}" if other else ""


def complaints(how, text):
    """The lines that say what was not as it should be."""
    found = [line for line in text.split(" ¦ ") if re.match(r"\S+\.[ch]:\d+: (?!tried: |a child )", line) or
             re.search(r" is .*, want | (is|was) .*instead of|: receive \d+: ", line)]
    found = [line for line in found if "conformance_run(" not in line]
    return found if how == "failed" and found else [f"{how}: {text}"]


def guess(expected, name, how, text):
    """Keys that would cover it, each line the first that does."""
    keys = []
    for line in complaints(how, text):
        fitting = [k for k, says in expected.says.items()
                   if name in expected.on.get(k, [name]) and re.search(says, line)]
        if not fitting:
            return "?"
        keys += [fitting[0]] if not set(fitting) & set(keys) else []
    return "+".join(sorted(keys))


def run_system(name, root, build, given, pool):
    expected = Expected(*(root / "test/systems/expect" / f"{n}.txt" for n in ("reasons", name)))
    found, harness = programs(root, build)
    if given.quick:
        # They need no more of the library than its core.
        harness = [s for s in harness if s.stem != "engine"]
    only = {}
    for word in given.only:
        program, _, case = word.partition("/")
        only.setdefault(program, []).extend([case] if case else [])
    chosen = {n: s for n, s in found.items() if (n in only if only else not given.quick or n in QUICK)}
    started = time.monotonic()
    made, said = build_all(Builder(root, build / "systems", name, given.quick), chosen, harness, pool)
    if said or len(made) < len(chosen):
        print(f"{name}: did not compile\n{said}")
        return 1
    compiled = time.monotonic() - started
    environment = dict(os.environ, UNX_SOURCE=str(root), **({"HARNESS_MS": str(given.ms)} if given.ms else {}))
    ran = dict(zip(made, pool.map(lambda n: run_program(made[n], only.get(n), environment), made)))
    count, wrong, learned = {"passed": 0, "skipped": 0, "refused": 0}, [], {}
    for program, results in ran.items():
        for case, (how, text) in results.items():
            fault = expected.judge(program, case, how, text)
            count[how if how in count else "refused"] += not fault
            if fault:
                wrong.append(f"{name}: {program} {case} {fault}")
                if how not in ("passed", "skipped"):
                    learned.setdefault((guess(expected, name, how, text), program), []).append(case)
        if given.learn or not only:
            gone = [c for p, c in expected.of if p == program and c not in results]
            wrong += [f"{name}: {program} {c} is listed and does not exist" for c in gone if not only]
    for line in wrong:
        print(line)
    if given.learn:
        for (key, program), cases in sorted(learned.items()):
            print(f"LEARN {key} {program} {' '.join(cases)}")
    print(f"{name}: {len(made)} programs, {count['passed']} cases pass, {count['refused']} refused as they must be, "
          f"{count['skipped']} skipped, {len(wrong)} not as they must be (compiled in {compiled:.1f} s, ran in "
          f"{time.monotonic() - started - compiled:.1f} s)", flush=True)
    return len(wrong)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=pathlib.Path)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--learn", action="store_true")
    parser.add_argument("--system", action="append", choices=SYSTEMS)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--ms", type=int)
    given = parser.parse_args()
    wrong = 0
    with concurrent.futures.ThreadPoolExecutor(given.jobs) as pool:
        for name in given.system or [n for n in SYSTEMS if not given.quick or n not in NOT_QUICK]:
            wrong += run_system(name, given.root.resolve(), given.build.resolve(), given, pool)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
