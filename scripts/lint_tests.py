#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every test that SECURITY.md and ARCHITECTURE.md name is there.

    scripts/lint_tests.py ROOT

A name is a word in backquotes: `test_NAME` or `test_NAME.c` is a program under test/, and `hostile: NAME` a case of the hostile
peers, an attack or one of the cases beside. Each promise in SECURITY.md names at least one. Exits 1 if something is missing.
"""
import pathlib
import re
import sys

WHERE = ("SECURITY.md", "ARCHITECTURE.md")
PROGRAM = re.compile(r"`(test_\w+)(?:\.(?:c|sh))?`")
CASE = re.compile(r"`hostile: ([a-z]\w*)`")


def hostile_cases(root):
    """The names of all attacks, and of all cases beside them."""
    names = {"all_at_once"}
    for path in sorted((root / "test" / "hostile").glob("*.c")):
        text = path.read_text()
        names.update(re.findall(r"CASE\((\w+)\)", text))
        names.update(re.findall(r'\{"(\w+)", \w+, ', text))
    return names


def main():
    root = pathlib.Path(sys.argv[1])
    programs = {path.stem for pattern in ("*.c", "*.sh") for path in (root / "test").rglob("test_" + pattern)}
    cases = hostile_cases(root)
    said = []
    for name in WHERE:
        for number, line in enumerate((root / name).read_text().splitlines(), 1):
            found = PROGRAM.findall(line)
            of_hostile = CASE.findall(line)
            said += [f"{name}:{number}: there is no test {program}" for program in found if program not in programs]
            said += [f"{name}:{number}: there is no hostile case {case}" for case in of_hostile if case not in cases]
            row = re.match(r"\| (?!promise|-)", line)
            if name == "SECURITY.md" and row and not found and not of_hostile:
                said.append(f"{name}:{number}: a promise that no test shows")
    print("\n".join(said), end="\n" if said else "")
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
