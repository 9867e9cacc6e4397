#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What can be told from the text of a file: licence line, length, white space, words that should be gone.

    scripts/lint_text.py ROOT FILE...

Exits 1 if a rule is broken; lines that begin with "warning:" are for people, and break none.
"""
import pathlib
import re
import sys

FILE_WARN, FILE_MAX = 400, 420
FUNCTION_WARN, FUNCTION_MAX = 60, 70
LINE_MAX = 120  # clang-format leaves comments and long strings as they are
# Long by design: the header is one page to read from top to bottom.
LONG = {"include/unx/unx.h": 450}
UNFINISHED = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "X" * 3)) + r")\b")
LICENSED = {".c", ".h", ".sh", ".py", ".map", ".1", ".3", ".7"}


def functions(lines):
    """(name, first line, number of lines) of each function: from its first line to the brace that closes it."""
    start = None
    for number, line in enumerate(lines, 1):
        if re.match(r"[A-Za-z_].*\(", line) and not line.rstrip().endswith(";"):
            start = number, re.search(r"(\w+)\s*\(", line).group(1)
        elif line.rstrip() == "};":
            start = None
        elif line.rstrip() == "}" and start is not None:
            yield start[1], start[0], number - start[0] + 1
            start = None


def check_size(name, lines, say, warn):
    most = LONG.get(name, FILE_MAX)
    if len(lines) > most:
        say(f"{name}: {len(lines)} lines, more than {most}")
    elif len(lines) > LONG.get(name, FILE_WARN):
        warn(f"{name}: {len(lines)} lines, more than {FILE_WARN}")


def check_functions(name, lines, say, warn):
    for function, first, length in functions(lines):
        if length > FUNCTION_MAX:
            say(f"{name}:{first}: {function}() has {length} lines, more than {FUNCTION_MAX}")
        elif length > FUNCTION_WARN:
            warn(f"{name}:{first}: {function}() has {length} lines, more than {FUNCTION_WARN}")


def needs_licence(path, text):
    return (path.suffix in LICENSED or path.name in ("meson.build", "meson_options.txt", "meson.options", "Makefile")
            or text.startswith("#!"))


def check(root, name, say, warn):
    path = root / name
    if name.startswith("fuzz/corpus/"):
        return  # bytes as a fuzzer found them, which may look like text
    try:
        text = path.read_text()
    except UnicodeDecodeError:
        return  # not text: a picture
    lines = text.splitlines()
    is_c = path.suffix in (".c", ".h")
    if needs_licence(path, text) and not any("SPDX-License-Identifier: MIT" in line for line in lines[:2]):
        say(f"{name}: has no line 'SPDX-License-Identifier: MIT' on top")
    if text and not text.endswith("\n"):
        say(f"{name}: does not end with a newline")
    for number, line in enumerate(lines, 1):
        if line != line.rstrip():
            say(f"{name}:{number}: white space at the end")
        if is_c and "\t" in line:
            say(f"{name}:{number}: a tab")
        if is_c and len(line) > LINE_MAX:
            say(f"{name}:{number}: {len(line)} columns, more than {LINE_MAX}")
        if UNFINISHED.search(line):
            say(f"{name}:{number}: unfinished: {line.strip()}")
    if is_c or path.suffix in (".py", ".sh"):
        check_size(name, lines, say, warn)
    if is_c:
        check_functions(name, lines, say, warn)


def main():
    root = pathlib.Path(sys.argv[1])
    said, warned = [], []
    for name in sys.argv[2:]:
        check(root, name, said.append, warned.append)
    for line in [f"warning: {line}" for line in warned] + said:
        print(line)
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
