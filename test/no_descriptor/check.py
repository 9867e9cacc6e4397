#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every function of the public headers is either tried without descriptors, or said to need none: check.py SOURCE."""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
here = root / "test" / "no_descriptor"


def declared(text):
    text = re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.S)
    text = re.sub(r"^\s*#.*$", "", text, flags=re.M)
    return re.findall(r"\b(unx_\w+)\s*\((?:[^()]|\([^()]*\))*\)\s*;", text)


functions = {name for header in (root / "include/unx").glob("*.h") for name in declared(header.read_text())}
tried = {name for file in here.glob("*.c") for name in re.findall(r'^\s*\{"(unx_\w+)[",]', file.read_text(), flags=re.M)}
none = set()
wrong = []
for line in (here / "none.txt").read_text().splitlines():
    if line and not line.startswith("#"):
        names, _, why = line.partition("|")
        wrong += [f"{name}: is twice in none.txt" for name in none & set(names.split())]
        none |= set(names.split())
        wrong += [f"{line}: none.txt gives no reason"] if not why.strip() else []
wrong += [f"{name}: is neither tried (test/no_descriptor/*.c) nor in none.txt" for name in functions - tried - none]
wrong += [f"{name}: is tried, and in none.txt, too" for name in tried & none]
wrong += [f"{name}: no header has it" for name in (tried | none) - functions]
print("\n".join(sorted(wrong)) or f"{len(functions)} public functions: {len(tried)} are tried with no descriptor left, {len(none)} need none")
sys.exit(1 if wrong or not functions else 0)
