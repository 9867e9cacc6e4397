#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Reads the log of one meson test run: what failed is told case by case, what was skipped with its reason, and at the
end the numbers, which are also added to a table. usage: conditions_report.py NAME testlog.json TABLE

Where valgrind tracked descriptors (--track-fds=yes) and the harness said which process each case was, a case that
passes must have ended with none of its own open, and of those that have to leak some must have been seen to (what is
cancelled within a system call is not). Other processes, the children of cases, may end with whatever they had: the
kernel closes it for them."""
import collections, json, re, sys

name, log, table = sys.argv[1:4]
passed, failed, reasons = 0, 0, collections.Counter()
leaks, leaks_seen = 0, 0


def left_open(err):
    """What valgrind found open at the end of each process, but for what was inherited: process: [text]."""
    found, last = collections.defaultdict(list), {}
    for pid, text in re.findall(r"^==(\d+)== ?(.*)$", err, re.M):
        if re.match(r"Open (file descriptor|AF_|IPv|socket)", text):
            last[pid] = text
        elif pid in last:
            if "<inherited from parent>" not in text:
                found[pid].append(f"{last[pid]} {text.strip()}")
            del last[pid]
    return found


def judge_descriptors(out, err):
    """What is wrong, as text."""
    global leaks, leaks_seen
    found = left_open(err) if "FILE DESCRIPTORS:" in err else None
    if found is None:
        return []
    wrong = []
    for pid, case, how in re.findall(r"^# process (\d+): (\S+) (\w+)$", out, re.M):
        if how == "passes":
            wrong += [f"{case} left open: {what}" for what in found[pid]]
        elif how == "leaks":
            leaks += 1
            leaks_seen += bool(found[pid])
    return wrong


for line in open(log, encoding="utf-8", errors="replace"):
    test = json.loads(line)
    title, out, result = test["name"].split(" / ")[-1], test.get("stdout") or "", test["result"]
    cases = re.findall(r"^(ok|not ok) \d+(?: - )?(.*)$", out, re.M)
    bad = [what for state, what in cases if state == "not ok"]
    for state, what in cases:
        case, _, reason = what.partition(" # SKIP ")
        if state == "ok" and reason:
            reasons[reason] += 1
        passed += state == "ok" and not reason
    if not cases:
        passed += result in ("OK", "EXPECTEDFAIL")
        if result == "SKIP":
            reasons[(out.strip().splitlines() or ["it says not why"])[-1]] += 1
    wrong = judge_descriptors(out, test.get("stderr") or "")
    if wrong:
        failed += len(wrong)
        print(f"== {name}: {title}: descriptors:")
        print("".join(f"   {what}\n" for what in wrong), end="")
    if result not in ("OK", "EXPECTEDFAIL", "SKIP"):
        failed += max(len(bad), 1)
        print(f"== {name}: {title} failed ({result}): {', '.join(bad)}")
        for part in ("stdout", "stderr"):
            for text in (test.get(part) or "").splitlines()[-60:]:
                print(f"   {text[:300]}")
if leaks and not leaks_seen:
    failed += 1
    print(f"== {name}: {leaks} cases have to leave descriptors open, and valgrind saw none do it")
for reason, n in reasons.most_common():
    print(f"skipped, {n} times: {reason}")
skipped = sum(reasons.values())
print(f"{name}: {passed} passed, {failed} failed, {skipped} skipped")
with open(table, "a", encoding="utf-8") as rows:
    rows.write(f"{name:24} {passed:5} passed {failed:5} failed {skipped:5} skipped, for {len(reasons)} reasons\n")
sys.exit(1 if failed or not passed else 0)
