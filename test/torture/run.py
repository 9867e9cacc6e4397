#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the programs of the torture, case by case, and adds up what they say.

usage: run.py [--jobs N] [--log FILE] [--summary] [--case NAME] [--must-see TEXT] PROGRAM|FOLDER... [-- OPTIONS of each program]

Prints every fault with the line that repeats it alone, how many failures were injected, what is not in it, and why. Exits with 1
if there was a fault that known.txt does not list, a failure that nobody was told of and that swallowed.txt does not allow, one
that was told by another error than its own and that renamed.txt does not allow, or a case that fails as it is and that clean.txt
does not list. --summary: faults that differ in numbers alone once, with how often they came. --must-see TEXT: exits with 0 only
if one of the faults says so: for a run in which the system lies (TORTURE_LIE)."""
import argparse
import collections
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

here = pathlib.Path(__file__).parent
MORE = r"\+?"  # behind a function whose result was more than 0


def table(name, fields):
    """Lines of `fields` fields, the first of which is a regular expression and the last one the reason, and their numbers."""
    rows = []
    for number, line in enumerate((here / name).read_text(encoding="utf-8").splitlines(), 1):
        if line and line[0] != "#":
            row = [field.strip() for field in re.split(r"\s\|\s", line)]
            if len(row) < fields or not row[-1]:
                sys.exit(f"{name}:{number}: {fields} fields are wanted, the last one the reason")
            rows.append([re.compile(row[0] + MORE), *row[1:], number])
    return rows


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--log")
    parser.add_argument("--must-see")
    parser.add_argument("--case")
    parser.add_argument("--summary", action="store_true")
    own, rest = (sys.argv[1:], []) if "--" not in sys.argv else (
        sys.argv[1:sys.argv.index("--")], sys.argv[sys.argv.index("--") + 1:])
    options, given = parser.parse_known_args(own)
    programs = []
    for path in map(pathlib.Path, given):
        programs += sorted(p for p in path.glob("torture_*") if p.is_file() and os.access(p, os.X_OK)) if path.is_dir() else [path]
    return options, programs, rest


def say(command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", check=False)
    return done.returncode, done.stdout


def signature(block):
    lines = [line for line in block if line.startswith("  ") and not line.startswith(("  |", "  in "))]
    what = " / ".join(sorted(set(lines))) or "?"
    return re.sub(r"(?<![a-z_])-?\d+", "N", what) + f"   [{block[0].split()[3].split(':')[0]}]"


class Judge:
    def __init__(self, options):
        self.options = options
        self.known, self.unclean = table("known.txt", 3), table("clean.txt", 2)
        self.swallowed = table("swallowed.txt", 3)
        self.renamed, self.others, self.needed = table("renamed.txt", 2), {}, set()
        self.sums, self.kinds, self.used = collections.Counter(), collections.Counter(), collections.Counter()
        self.first, self.silent = {}, {}
        self.seen = False

    def fault(self, program, block):
        line = block[0]
        case, spec = line.split()[2:4]
        call, error = spec.split(":")[::2]
        function = block[1].split()[1].rstrip(",")
        told = [more.strip() for more in block[2:] if not more.startswith("  |")]
        self.seen = self.seen or bool(self.options.must_see) and any(self.options.must_see in what for what in told)
        for row in self.known:
            if row[0].fullmatch(f"{call} {error} {function} {case}") and told and all(re.fullmatch(row[1], what) for what in told):
                self.sums["known"] += 1
                self.sums["faults"] -= 1
                return
        what = signature(block)
        self.kinds[what] += 1
        self.first.setdefault(what, block)
        if not self.options.summary:
            print("\n".join(block))
            print(f"  repeat: {os.path.relpath(program)} {' '.join(line.split()[2:])}", flush=True)

    def nobody_told(self, program, line):
        count, outcome, call, error, function, case, spec = line.split()[1:]
        self.sums["swallowed"] += int(count)
        for row in self.swallowed:
            if row[0].fullmatch(f"{call} {error} {function}") and row[1] in (outcome, "any"):
                self.used[row[-1]] += int(count)
                return
        key = (call, error, function, outcome)
        self.silent.setdefault(key, [0, f"{os.path.relpath(program)} {case} {spec}"])[0] += int(count)

    def other_error(self, program, line):
        call, error, function, result, spec, case = line.split()[1:]
        self.sums["renamed"] += 1
        what = f"{call} {error} {function} {result}"
        for row in self.renamed:
            if row[0].fullmatch(what) or row[0].fullmatch(f"{what} {case}"):
                self.needed.add(row[-1])
                return
        self.others.setdefault((call, error, function, result), [0, f"{os.path.relpath(program)} {case} {spec}"])[0] += 1

    def clean(self, line):
        listed = any(row[0].fullmatch(" ".join(line.split()[1:3]).rstrip(":")) for row in self.unclean)
        self.sums["unlisted"] += not listed
        print(line if listed else line + "\n  this is not in clean.txt", flush=True)

    def hear(self, program, status, out):
        lines = out.splitlines()
        if not any(line.startswith("SUM ") for line in lines):
            self.sums["broken"] += 1
            print(f"{program}: ended with {status}, and said no sum:\n{out[-2000:]}")
        for i, line in enumerate(lines):
            if line.startswith("SUM "):
                self.sums.update({k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", line)})
            elif line.startswith("CLEAN "):
                self.clean(line)
            elif line.startswith("SWALLOWED "):
                self.nobody_told(program, line)
            elif line.startswith("RENAMED "):
                self.other_error(program, line)
            elif line.startswith("UNSTEADY "):
                print(line + "\n" + "\n".join(lines[i + 1:i + 2]), flush=True)
            elif line.startswith("FAULT "):
                block = [line]
                for more in lines[i + 1:]:
                    if not more.startswith("  "):
                        break
                    block.append(more)
                self.fault(program, block)

    def tell(self, programs, whole):
        s = self.sums
        for what, count in self.kinds.most_common() if self.options.summary else []:
            print(f"{count} times:{what}\n    first: {' '.join(self.first[what][0].split()[1:])}")
        for (call, error, function, outcome), (count, repeat) in sorted(self.silent.items()):
            print(f"SWALLOWED {call} {error} in {function}: {count} times, and the test then: {outcome}; swallowed.txt does not "
                  f"allow it\n  repeat: {repeat}")
        for (call, error, function, result), (count, repeat) in sorted(self.others.items()):
            print(f"OTHER ERROR {call} {error} came out of {function} as {result}: {count} times; renamed.txt does not allow it\n"
                  f"  repeat: {repeat}")
        print(f"{s['injected']} failures injected into {s['calls']} calls of {s['cases']} cases of {programs} programs; the test went "
              f"on to its end {s['passed']} times, noticed {s['failed']} times, waited in vain {s['waited']} times; "
              f"{s['checked']} results of public functions were looked at")
        print(f"the caller was not told of {s['swallowed']} failures, {sum(c for c, _ in self.silent.values())} of them "
              f"without a reason in swallowed.txt; of {s['renamed']} by another error, "
              f"{sum(c for c, _ in self.others.values())} of them without one in renamed.txt")
        for row in self.swallowed if whole else []:
            if not self.used[row[-1]]:
                print(f"swallowed.txt:{row[-1]}: was not needed")
        for row in self.renamed if whole else []:
            if row[-1] not in self.needed:
                print(f"renamed.txt:{row[-1]}: was not needed")
        print(f"left out: {s['left_out']} failures of calls from the same place as others, {s['late']} for their time or by the "
              f"sample, {s['cut']} calls beyond what can be noted; {s['slow']} cases for their time, {s['skipped']} that skip, "
              f"{s['must_fail']} that have to fail; {s['clean']} that fail as they are, {s['unlisted']} of them unexpectedly")
        for what, why, _ in table("left_out.txt", 2):
            print(f"not in it: {what.pattern[:-len(MORE)]}: {why}")
        print(f"{s['known']} known faults, {s['unsteady']} that did not come again, {s['faults']} others")


def main():
    options, programs, rest = arguments()
    judge, work = Judge(options), []
    for program in programs:
        for line in say([program, "--cases"])[1].splitlines():
            word, case = line.split()
            if word == "FAILS":
                judge.sums["must_fail"] += 1
            elif options.case in (None, case):
                work.append((program, [*rest, case]))
    with open(options.log or os.devnull, "w", encoding="utf-8") as log:
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            for (program, _), (status, out) in zip(work, pool.map(lambda w: say([w[0], *w[1]]), work)):
                log.write(out)
                log.flush()
                judge.hear(program, status, out)
    judge.tell(len(programs), "--whole" in rest)
    broken = judge.sums["broken"] or not judge.sums["injected"]
    if options.must_see:
        print(f"the fault that must be seen, \"{options.must_see}\", was {'' if judge.seen else 'not '}seen")
        return 0 if judge.seen and not broken else 1
    return 1 if judge.sums["faults"] or judge.sums["unlisted"] or judge.silent or judge.others or broken else 0


sys.exit(main())
