#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""One list of functions in four places: headers, version script, shared library, manual pages.

    scripts/lint_symbols.py ROOT BUILD
"""
import pathlib
import re
import subprocess
import sys


# What each library exports; a header that is not named here belongs to the first one.
LIBRARIES = {
    "libunx": {"unx.h", "control.h"},
    "libunx-service": {"policy.h", "listener.h", "activation.h", "handover.h"},
    "libunx-engine": {"engine.h"},
    "libunx-data": {"frames.h"},
}


def declared(root, headers=None):
    """{name: declaration, in one line} of all functions in the public headers, or in some of them."""
    found = {}
    for path in sorted((root / "include/unx").glob("*.h")):
        if headers is not None and path.name not in headers:
            continue
        text = re.sub(r"/\*.*?\*/", " ", path.read_text(), flags=re.S)
        text = re.sub(r"^\s*#(?:.*\\\n)*.*$", "", text, flags=re.M)
        text = text.replace('extern "C" {', "")
        for match in re.finditer(r"([\w\s*]+?)\b(unx_\w+)\s*\(([^()]*)\)\s*;", text):
            result, name, args = (" ".join(part.split()) for part in match.groups())
            found[name] = f"{result} {name}({args})".replace("* ", "*")
    return found


def inline(root):
    """{name: declaration} of the functions that the headers of the adapters define; a name that ends in _ is their own."""
    found = {}
    for path in sorted((root / "include/unx/adapters").glob("*.h")):
        for match in re.finditer(r"^static inline ([\w\s*]+?)\b(unx_\w*[^_\W])\(((?:[^()]|\([^()]*\))*)\)\s*\{",
                                 path.read_text(), flags=re.M):
            result, name, args = (" ".join(part.split()) for part in match.groups())
            found[name] = f"{result} {name}({args})".replace("* ", "*")
    return found


def in_map(path):
    text = re.sub(r"#.*", "", path.read_text())
    return set(re.findall(r"\b(unx_\w+);", text))


def exported(library):
    out = subprocess.run(["nm", "-D", "--defined-only", str(library)], check=True, capture_output=True, text=True)
    names = set()
    for line in out.stdout.splitlines():
        kind, name = line.split()[-2:]
        if kind != "A":  # the version node itself
            names.add(name.split("@")[0])
    return names


def documented(root):
    names = set()
    for path in (root / "man").glob("*.3"):
        synopsis = path.read_text().partition(".Sh SYNOPSIS")[2].partition(".Sh ")[0]
        names |= set(re.findall(r"^\.F[no] (unx_\w+)", synopsis, flags=re.M))
    return names


def compare(place, names, wanted):
    return ([f"{place}: lacks {name}" for name in sorted(wanted - names)] +
            [f"{place}: {name} is in none of its headers" for name in sorted(names - wanted)])


def main():
    root, build = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    everything = set(declared(root))
    said = [] if everything else ["include/unx: no function found"]
    placed = set()
    for name, headers in LIBRARIES.items():
        wanted = set(declared(root, headers))
        placed |= wanted
        said += compare(f"src/{name}.map", in_map(root / f"src/{name}.map"), wanted)
        said += compare(f"{name}.so", exported(build / f"src/{name}.so"), wanted)
    said += [f"{name}: its header belongs to no library" for name in sorted(everything - placed)]
    said += compare("man/*.3", documented(root), everything | set(inline(root)))
    print("\n".join(said), end="\n" if said else "")
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
