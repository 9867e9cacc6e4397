#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Reads the log of one meson test run: what failed is told case by case, what was skipped with its reason, and at the end
the numbers. usage: conditions_report.py NAME testlog.json"""
import collections, json, re, sys

name, log = sys.argv[1:3]
passed, failed, reasons = 0, 0, collections.Counter()
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
    if result not in ("OK", "EXPECTEDFAIL", "SKIP"):
        failed += max(len(bad), 1)
        print(f"== {name}: {title} failed ({result}): {', '.join(bad)}")
        for part in ("stdout", "stderr"):
            for text in (test.get(part) or "").splitlines()[-60:]:
                print(f"   {text[:300]}")
for reason, n in reasons.most_common():
    print(f"skipped, {n} times: {reason}")
print(f"{name}: {passed} passed, {failed} failed, {sum(reasons.values())} skipped")
sys.exit(1 if failed or not passed else 0)
