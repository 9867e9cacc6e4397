#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the programs of the torture, and adds up what they say.

usage: run.py [--jobs N] [--log FILE] [--summary] PROGRAM|FOLDER... [-- OPTIONS of each program]

Prints every fault with the line that repeats it alone, and how many failures were injected. Exits with 1 if there was a
fault that known.txt does not list, or a case that fails as it is and that clean.txt does not list. --summary: faults that
differ in numbers alone once, with how often they came. --must-see TEXT: exits with 0 only if one of the faults says so: for
a run in which the system lies (TORTURE_LIE)."""
import argparse
import collections
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

parser = argparse.ArgumentParser()
parser.add_argument("--jobs", type=int, default=2)
parser.add_argument("--log")
parser.add_argument("--must-see")
parser.add_argument("--summary", action="store_true")
own, rest = (sys.argv[1:], []) if "--" not in sys.argv else (
    sys.argv[1:sys.argv.index("--")], sys.argv[sys.argv.index("--") + 1:])
options, given = parser.parse_known_args(own)
programs = []
for path in map(pathlib.Path, given):
    programs += sorted(p for p in path.glob("torture_*") if p.is_file() and os.access(p, os.X_OK)) if path.is_dir() else [path]


def table(name):
    """The fields of each line but the last one, which is the reason, as regular expressions."""
    lines = (pathlib.Path(__file__).parent / name).read_text(encoding="utf-8").splitlines()
    return [[re.compile(field.strip()) for field in line.split("|")[:-1]] for line in lines if line and line[0] != "#"]


known, unclean = table("known.txt"), table("clean.txt")

sums = collections.Counter()
kinds = collections.Counter()
first = {}


def run(program):
    done = subprocess.run([program, *rest], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
    return program, done.returncode, done.stdout


def signature(block):
    lines = [line for line in block if line.startswith("  ") and not line.startswith(("  |", "  in "))]
    what = " / ".join(sorted(set(lines))) or "?"
    return re.sub(r"(?<![a-z_])-?\d+", "N", what) + f"   [{block[0].split()[3].split(':')[0]}]"


log = open(options.log, "w", encoding="utf-8") if options.log else None
broken, seen = 0, False
with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
    for program, status, out in pool.map(run, programs):
        if log:
            log.write(out)
            log.flush()
        lines = out.splitlines()
        if not any(line.startswith("SUM ") for line in lines):
            broken += 1
            print(f"{program}: ended with {status}, and said no sum:\n{out[-2000:]}")
        for i, line in enumerate(lines):
            if line.startswith("SUM "):
                sums.update({k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", line)})
            elif line.startswith("CLEAN "):
                listed = any(k[0].fullmatch(" ".join(line.rstrip(":").split()[1:3]).rstrip(":")) for k in unclean)
                sums["unlisted"] += not listed
                print(line if listed else line + "\n  this is not in clean.txt", flush=True)
            elif line.startswith("FAULT "):
                block = [line]
                for more in lines[i + 1:]:
                    if not more.startswith("  "):
                        break
                    block.append(more)
                call, error = line.split()[3].split(":")[::2]
                function = block[1].split()[1].rstrip(",")
                told = [more.strip() for more in block[2:] if not more.startswith("  |")]
                seen = seen or bool(options.must_see) and any(options.must_see in what for what in told)
                if any(k[0].fullmatch(f"{call} {error} {function}") and told and all(map(k[1].fullmatch, told)) for k in known):
                    sums["known"] += 1
                    sums["faults"] -= 1
                    continue
                what = signature(block)
                kinds[what] += 1
                first.setdefault(what, block)
                if not options.summary:
                    print("\n".join(block))
                    print(f"  repeat: {os.path.relpath(program)} {' '.join(line.split()[2:])}", flush=True)

for what, count in kinds.most_common() if options.summary else []:
    print(f"{count} times:{what}\n    first: {' '.join(first[what][0].split()[1:])}")
print(f"{sums['injected']} failures injected into {sums['calls']} calls of {len(programs)} programs; the test went on to its "
      f"end {sums['passed']} times, noticed {sums['failed']} times, waited in vain {sums['waited']} times; "
      f"{sums['checked']} results of public functions were looked at; {sums['left_out']} calls or failures were left out "
      f"for their number, and {sums['slow']} cases for their time; "
      f"{sums['clean']} cases fail as they are, {sums['unlisted']} of them unexpectedly; {sums['known']} known faults, {sums['faults']} "
      "others")
if options.must_see:
    print(f"the fault that must be seen, \"{options.must_see}\", was {'' if seen else 'not '}seen")
    sys.exit(0 if seen and not broken else 1)
sys.exit(1 if sums["faults"] or sums["unlisted"] or broken else 0)
