# SPDX-License-Identifier: MIT
"""What a test program said, case by case.

What surprised us: an emulator fails in its own way, and a case that fails for it looks like one that found a bug. So each
is run, and taken for skipped only if emulator.txt says which fault of an emulator that case must fail for, and
emulator.c saw that fault in the emulator that is used.
"""
import fnmatch
import re


class Emulator:
    """What is wrong with it, {fault: what it is}, and which cases fail for that. None: nothing is emulated."""

    def __init__(self, table, faults):
        self.faults = faults
        lines = [line.split() for line in table.read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]
        self.cases = [(fault, program, case) for fault, program, *cases in lines for case in cases]
        self.used = set()

    def environment(self):
        """For the tests: time means little, and these rows of a table need not be tried."""
        return {"HARNESS_SLOWER": "1", "HARNESS_LACKS": " ".join(self.faults)}

    def why(self, program, case):
        """The fault that this case fails for, or None."""
        for line in self.cases:
            if line[0] in self.faults and fnmatch.fnmatchcase(program, line[1]) and fnmatch.fnmatchcase(case, line[2]):
                self.used.add(line)
                return "emulator: " + self.faults[line[0]]
        return None


class Result:
    """What became of the cases of some programs."""

    def __init__(self):
        self.passed, self.failed, self.skipped = 0, [], {}

    def skip(self, reason):
        self.skipped[reason] = self.skipped.get(reason, 0) + 1

    def fail(self, program, case, emulator):
        why = emulator.why(program, case) if emulator else None
        if why:
            self.skip(why)
        else:
            self.failed.append(f"{program}: {case}")

    def take(self, program, out, emulator=None):
        """What a program said that speaks TAP. False: it does not."""
        plan = re.search(r"^1\.\.(\d+)", out, re.M)
        if not plan:
            return False
        cases = re.findall(r"^(ok|not ok) \d+(?: - )?(.*)$", out, re.M)
        for state, text in cases:
            case, _, reason = text.partition(" # SKIP ")
            if state == "not ok":
                self.fail(program, case, emulator)
            elif reason:
                self.skip(reason)
            else:
                self.passed += 1
        if len(cases) < int(plan.group(1)):
            self.fail(program, "the-end", emulator)
        return True
