#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compiles the libraries for the systems that are not here; for macOS it links them too.

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
import shutil
import subprocess
import sys

# name here: (name in src/sys/systems.txt, targets)
TARGETS = {
    "darwin": ("darwin", ["aarch64-macos", "x86_64-macos"]),
    "freebsd": ("freebsd", ["x86_64-unknown-freebsd13"]),
    "openbsd": ("openbsd", ["x86_64-unknown-openbsd"]),
    "netbsd": ("netbsd", ["x86_64-unknown-netbsd"]),
    "dragonfly": ("dragonfly", ["x86_64-unknown-dragonfly"]),
    "illumos": ("sunos", ["x86_64-pc-solaris2.11"]),
}
WARNINGS = ["-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-Wshadow", "-Wstrict-prototypes",
            "-Wmissing-prototypes", "-Wundef", "-Wvla", "-Wpointer-arith", "-Wwrite-strings", "-fvisibility=hidden"]


def sources(root, system):
    own = [line.split(":")[1].split() for line in (root / "src/sys/systems.txt").read_text().splitlines()
           if line.startswith(system + ":")]
    result = [root / "src/sys" / name for name in own[0]]
    for folder in ("core", "service", "data", "engine"):
        # Rings are of Linux alone.
        result += [p for p in sorted((root / "src" / folder).glob("*.c")) if not p.name.startswith("engine_uring")]
    return result


def run(command):
    done = subprocess.run([*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


def compile_all(root, compiler, options, system, out):
    """Objects of all sources in the folder `out`, or only their syntax if that is None: how many, and what was said."""
    command = [*compiler, *options, *WARNINGS, f"-I{root}/include", f"-I{root}/src/sys", f"-I{root}/src/core"]

    def one(source):
        status, said = run([*command, "-O2", "-c", "-o", out / (source.stem + ".o"), source])
        return said or ("" if status == 0 else f"{source}: exit status {status}\n")

    all_sources = sources(root, system)
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


def for_zig(root, zig, target, build, quick):
    out = build / target
    out.mkdir(parents=True, exist_ok=True)
    n, said = compile_all(root, [zig, "cc"], ["-target", target], "darwin", out)
    said = said or headers(root, [zig, "cc"], ["-target", target], out / "headers")
    if said or quick:
        return n, said, "compiled"
    library = out / "libunx.dylib"
    status, said = run([zig, "cc", "-target", target, "-shared", "-o", library, *sorted(out.glob("*.o"))])
    if status == 0 and not said:
        kind = library.read_bytes()[:4]
        said = "" if kind == b"\xcf\xfa\xed\xfe" else f"{library} is no library of macOS\n"
    return n, said, "compiled and linked"


def for_clang(root, folder, system, target, build, quick):
    out = None if quick else build / target
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    options = [f"--target={target}", "-ffreestanding", "-nostdlibinc", "-isystem", root / "cross/include" / folder,
               "-isystem", root / "cross/include/posix"]
    n, said = compile_all(root, ["clang"], options, system, out)
    said = said or headers(root, ["clang"], options, build / target / "headers")
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
        system, targets = TARGETS[folder]
        for target in targets[:1] if given.quick else targets:
            if folder == "darwin" and zig is None:
                print(f"{target}: skipped: no zig here (make cross-compile gets it from npm)")
                continue
            if folder != "darwin" and shutil.which("clang") is None:
                print(f"{target}: skipped: no clang here")
                continue
            if folder == "darwin":
                n, said, how = for_zig(root, zig, target, build, given.quick)
            else:
                n, said, how = for_clang(root, folder, system, target, build, given.quick)
            print(said, end="")
            print(f"{target}: {n} files {'did not all compile' if said else how}", flush=True)
            failed += bool(said)
            done += 1
    return 1 if failed else 0 if done else 77


if __name__ == "__main__":
    sys.exit(main())
