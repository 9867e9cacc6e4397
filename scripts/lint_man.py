#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Manual pages against the headers, the table in man/meson.build, each other, and the compiler.

    scripts/lint_man.py ROOT

One kind of message of mandoc is left out: "referenced manual not found". It depends on which other packages are
installed, so references to pages of our own are checked here instead.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
from lint_symbols import declared, inline


def section(text, name):
    return text.partition(f"\n.Sh {name}\n")[2].partition("\n.Sh ")[0]


def table(root):
    """{page: functions} of man/meson.build."""
    text = (root / "man/meson.build").read_text().partition("pages = {")[2].partition("\n}")[0]
    return {page: re.findall(r"'(\w+)'", names)
            for page, names in re.findall(r"'([\w-]+)':\s*\[(.*?)\]", text, flags=re.S)}


def words(line):
    """The arguments of a macro line: quoted ones may have blanks."""
    return [quoted or plain for quoted, plain in re.findall(r'"([^"]*)"|(\S+)', line)]


def synopsis(text):
    """{name: declaration} as the page has it."""
    found, result, name, args = {}, "", "", []
    for line in section(text, "SYNOPSIS").splitlines():
        macro, rest = line[:3], words(line[4:])
        if macro == ".Ft":
            result = " ".join(rest)
        elif macro == ".Fn":
            found[rest[0]] = f"{result} {rest[0]}({', '.join(rest[1:])})"
        elif macro == ".Fo":
            name, args = rest[0], []
        elif macro == ".Fa":
            args += rest
        elif macro == ".Fc":
            found[name] = f"{result} {name}({', '.join(args)})"
    return {name: text.replace("* ", "*") for name, text in found.items()}


def check_functions(pages, functions, listed, say):
    where = {}
    for path, text in pages.items():
        if path.suffix != ".3":
            continue
        named = re.findall(r"^\.Nm (\w+)", section(text, "NAME"), flags=re.M)
        described = synopsis(text)
        own = [name for name in named if name in functions]
        if path.stem not in listed or sorted(listed[path.stem]) != sorted(own):
            say(f"{path}: the table of man/meson.build says otherwise than .Nm")
        if sorted(described) != sorted(own):
            say(f"{path}: .Nm and SYNOPSIS name different functions")
        for name in own:
            if name in where:
                say(f"{path}: {name} is described in {where[name]} too")
            where[name] = path
            if described.get(name) != functions[name]:
                say(f"{path}: SYNOPSIS has '{described.get(name)}', the header '{functions[name]}'")
    for name in functions:
        if name not in where:
            say(f"man: no page describes {name}")
    for page in listed:
        if not any(path.name == page + ".3" for path in pages):
            say(f"man/meson.build: there is no {page}.3")


def check_references(pages, functions, say):
    ours = {(name, "3") for name in functions} | {(p.stem, p.suffix[1:]) for p in pages}
    for path, text in pages.items():
        for name, number in re.findall(r"^\.(?:It )?Xr (\S+) (\d)", text, flags=re.M):
            if re.match(r"(lib)?unx", name) and (name, number) not in ours:
                say(f"{path}: there is no {name}({number})")
    # The overview has a row for every call, or for the page of calls that are described together.
    overview = next((text for path, text in pages.items() if path.name == "libunx.3"), "")
    rows = set(re.findall(r"^\.It Xr (\w+) 3 Ta", overview, flags=re.M))
    for name in functions:
        page = next((p.stem for p, text in pages.items() if name in synopsis(text)), name)
        if name not in rows and page not in rows:
            say(f"man/libunx.3: the table of calls lacks {name} or its page")


def check_flags(root, pages, say):
    every = "\n".join(pages.values())
    for header in sorted((root / "include/unx").glob("*.h")):
        for name in re.findall(r"^#define (UNX_\w+)[ (]", header.read_text(), flags=re.M):
            if not re.search(rf"\b{name}\b", every):
                say(f"{header}: no manual page mentions {name}")


def check_mandoc(pages, say):
    for path in pages:
        run = subprocess.run(["mandoc", "-Tlint", "-Wstyle", str(path)], capture_output=True, text=True, check=False)
        for line in run.stdout.splitlines():
            if "referenced manual not found" not in line:
                say(line.removeprefix("mandoc: "))


def plain(line):
    """A line of a literal display as the reader sees it."""
    line = line.removeprefix("\\&")
    for escape, char in (("\\e", "\\"), ("\\-", "-"), ("\\(dq", '"'), ("\\(ga", "`"), ("\\(aq", "'")):
        line = line.replace(escape, char)
    return line


def check_examples(root, pages, say):
    for path, text in pages.items():
        for number, block in enumerate(re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", text, flags=re.S | re.M)):
            if "#include" not in block:
                continue
            source = "".join(plain(line) + "\n" for line in block.splitlines())
            with tempfile.NamedTemporaryFile("w", suffix=".c") as file:
                file.write(source)
                file.flush()
                run = subprocess.run(
                    ["cc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", f"-I{root}/include", file.name],
                    capture_output=True, text=True, check=False)
            if run.returncode != 0:
                say(f"{path}: example {number + 1} does not compile\n{run.stderr.rstrip()}")


def main():
    root = pathlib.Path(sys.argv[1])
    pages = {path: path.read_text() for path in sorted((root / "man").glob("*.[1-9]"))}
    functions = declared(root) | inline(root)
    said = []
    for name in ("unx.1", "unx.7", "libunx.3"):
        if root / "man" / name not in pages:
            said.append(f"man/{name}: is missing")
    check_functions(pages, functions, table(root), said.append)
    check_references(pages, functions, said.append)
    check_flags(root, pages, said.append)
    check_mandoc(pages, said.append)
    check_examples(root, pages, said.append)
    print("\n".join(said), end="\n" if said else "")
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
