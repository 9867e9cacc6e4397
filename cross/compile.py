#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compiles the libraries, the command and the self-test for the systems that are not here; for macOS it links them too.

    cross/compile.py ROOT [--quick] [--zig PROGRAM] [SYSTEM...]

macOS, for both processors: `zig cc`, which has Apple's own headers and the list of what its libraries have. The others: clang
against cross/include, which has the declarations that are needed, from their manuals; so what is shown there is that
nothing of another system is used and every call fits its declaration, not that it runs. The public headers are compiled too,
each by itself, as C11 and C++11. --quick: one processor, and what is
linked is not. All with -Wall -Wextra -Werror. Exit status 1: something did not compile; 77: nothing was there to do it.
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys

TARGETS = {
    "darwin": ["aarch64-macos", "x86_64-macos"],
    "freebsd": ["x86_64-unknown-freebsd13"],
    "openbsd": ["x86_64-unknown-openbsd"],
    "netbsd": ["x86_64-unknown-netbsd"],
    "dragonfly": ["x86_64-unknown-dragonfly"],
    "illumos": ["x86_64-pc-solaris2.11"],
}
WARNINGS = ["-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-Wshadow", "-Wstrict-prototypes",
            "-Wmissing-prototypes", "-Wundef", "-Wvla", "-Wpointer-arith", "-Wwrite-strings", "-fvisibility=hidden"]


def sources(root):
    # Those of src/sys say themselves for which systems they are. Rings are of Linux alone.
    folders = ("sys", "core", "service", "data", "engine")
    return [p for folder in folders for p in sorted((root / "src" / folder).glob("*.c"))
            if not p.name.startswith(("engine_uring", "sys_linux"))]


def programs(root):
    return {"unx": sorted((root / "tool").glob("*.c")), "unx-selftest": sorted((root / "selftest").glob("*.c"))}


def run(command):
    done = subprocess.run([*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


def objects(out, files):
    """Where each is compiled to: its folder is in the name, because main.c is in more than one."""
    return [out / f"{p.parent.name}_{p.stem}.o" for p in files]


def compile_all(root, compiler, options, out):
    """Objects of all sources in the folder `out`, or only their syntax if that is None: how many, and what was said."""
    command = [*compiler, *options, *WARNINGS, f"-I{root}/include", f"-I{root}/src/sys", f"-I{root}/src/core"]

    def one(source):
        status, said = run([*command, "-O2", "-c", "-o", objects(out, [source])[0], source])
        return said or ("" if status == 0 else f"{source}: exit status {status}\n")

    all_sources = sources(root) + [p for files in programs(root).values() for p in files]
    if out is None:
        status, said = run([*command, "-fsyntax-only", *all_sources])
        return len(all_sources), said or ("" if status == 0 else f"exit status {status}\n")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        said = list(pool.map(one, all_sources))
    return len(said), "".join(said)


def headers(root, compiler, options, build):
    """What is said of the public headers, each by itself, in C and in C++."""
    public = sorted((root / "include/unx").glob("*.h"))
    build.mkdir(parents=True, exist_ok=True)
    said = ""
    for language, standard in (("c", "c11"), ("c++", "c++11")):
        for header in public:
            source = build / f"{header.stem}.{'c' if language == 'c' else 'cc'}"
            source.write_text(f"#include <unx/{header.name}>\nint made;\n", encoding="utf-8")
            status, text = run([*compiler, *options, "-x", language, f"-std={standard}", "-Wall", "-Wextra", "-Wpedantic",
                                "-Werror", f"-I{root}/include", "-c", "-o", build / "header.o", source])
            said += text or ("" if status == 0 else f"{header}: exit status {status}\n")
    return said


def link_zig(root, zig, target, out):
    """The library and the programs, for macOS: what was said."""
    library = out / "libunx.dylib"
    _, said = run([zig, "cc", "-target", target, "-shared", "-o", library, *objects(out, sources(root))])
    for name, files in programs(root).items():
        _, more = run([zig, "cc", "-target", target, "-o", out / name, *objects(out, files + sources(root))])
        said += more
    for made in [library, *(out / name for name in programs(root))]:
        kind = made.read_bytes()[:4] if made.exists() else b""
        said += "" if kind == b"\xcf\xfa\xed\xfe" else f"{made} is no file of macOS\n"
    return said


def for_zig(root, zig, target, build, quick):
    out = build / target
    out.mkdir(parents=True, exist_ok=True)
    n, said = compile_all(root, [zig, "cc"], ["-target", target], out)
    said = said or headers(root, [zig, "cc"], ["-target", target], out / "headers")
    if said or quick:
        return n, said, "compiled"
    return n, link_zig(root, zig, target, out), "compiled and linked"


def fit_together(root, folder, out):
    """What is there twice, or neither here nor declared as the system's own."""
    status, said = run(["ld", "-r", "-o", out / "all.o", *objects(out, sources(root))])
    if status != 0:
        return said
    _, missing = run(["nm", "-u", out / "all.o"])
    declared = "".join(p.read_text() for f in (folder, "posix") for p in (root / "cross/include" / f).glob("**/*.h"))
    known = set(re.findall(r"\w+", declared))
    names = [line.split()[-1] for line in missing.splitlines()]
    return "".join(f"{name} is nowhere\n" for name in names if name not in known and not name.startswith("_"))


def for_clang(root, folder, target, build, quick):
    out = None if quick else build / target
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    options = [f"--target={target}", "-ffreestanding", "-nostdlibinc", "-isystem", root / "cross/include" / folder,
               "-isystem", root / "cross/include/posix"]
    n, said = compile_all(root, ["clang"], options, out)
    said = said or headers(root, ["clang"], options, build / target / "headers")
    said = said or ("" if out is None else fit_together(root, folder, out))
    return n, said, "compiled"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--zig")
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build/cross"))
    parser.add_argument("root", type=pathlib.Path)
    parser.add_argument("systems", nargs="*")
    given = parser.parse_intermixed_args()
    root, build = given.root.resolve(), given.build.resolve()
    zig = given.zig if given.zig and os.access(given.zig, os.X_OK) else None
    cache = build / "zig-cache"
    os.environ.setdefault("ZIG_GLOBAL_CACHE_DIR", str(cache))
    os.environ.setdefault("ZIG_LOCAL_CACHE_DIR", str(cache))
    failed = done = 0
    for folder in given.systems or TARGETS:
        for target in TARGETS[folder][:1] if given.quick else TARGETS[folder]:
            if folder == "darwin" and zig is None:
                print(f"{target}: skipped: no zig here (make cross-compile gets it from npm)")
                continue
            if folder != "darwin" and shutil.which("clang") is None:
                print(f"{target}: skipped: no clang here")
                continue
            if folder == "darwin":
                n, said, how = for_zig(root, zig, target, build, given.quick)
            else:
                n, said, how = for_clang(root, folder, target, build, given.quick)
            print(said, end="")
            print(f"{target}: {n} files {'did not all compile' if said else how}", flush=True)
            failed += bool(said)
            done += 1
    return 1 if failed else 0 if done else 77


if __name__ == "__main__":
    sys.exit(main())
