# SPDX-License-Identifier: MIT
"""Android: the Linux files, compiled for its processors as far as that can be done without its headers.

bionic's headers are not here, so musl's stand in (those that zig has): what is shown is that the compiler's own view of Android
(__ANDROID__, sizes, calling convention) is served, that nothing is used which bionic lacks (bionic.txt), and that no
function is needed which is younger than Android 5 (API level 21): for that the objects are asked what they refer to. It is
not shown that bionic declares each of them as musl does.

What surprised us: an application is ended (SIGSYS) at a system call that the C library of its release does not make, so there
a call cannot be tried to find out whether it exists.
"""
import re
import shutil

import meson_build
import plain

LEVEL = 21
# clang's name of it: (zig's folder of musl's headers, of the kernel's)
TARGETS = {
    "aarch64-linux-android": ("aarch64-linux-musl", "aarch64-linux-any"),
    "x86_64-linux-android": ("x86_64-linux-musl", "x86-linux-any"),
    "armv7a-linux-androideabi": ("arm-linux-musl", "arm-linux-any"),
    "i686-linux-android": ("x86-linux-musl", "x86-linux-any"),
}


def known(table):
    """{function: API level} of bionic, and what it does not have: level None."""
    lines = [line.split() for line in table.read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]
    return {name: None if level == "never" else int(level) for level, *names in lines for name in names}


def objects(given, target, level, folders, lacks):
    """What the compiler said, and the objects."""
    out = given.build / f"{target}{level}"
    out.mkdir(exist_ok=True)
    poison = out / "poison.h"
    poison.write_text("".join(f"#pragma GCC poison {name}\n" for name in lacks), encoding="utf-8")
    top = given.zig.parent / "lib/libc"
    # Poisoned names may be declared, and must not be used: so after the headers that declare them.
    declare = "".join(f"#include <{h}>\n" for h in ("stdlib.h", "pthread.h", "unistd.h", "stdio.h", "string.h", "sys/socket.h"))
    poison.write_text(declare + poison.read_text(encoding="utf-8"), encoding="utf-8")
    options = [f"--target={target}{level}", "-Os", "-fPIC", "-nostdlibinc", "-include", poison]
    for folder in (folders[0], "generic-musl", folders[1], "any-linux-any"):
        options += ["-isystem", top / "include" / folder]
    said, made = "", []
    for source in plain.command(given.root):
        made.append(out / f"{source.parent.name}-{source.stem}.o")
        said += plain.make(["clang"], [source], made[-1], [*options, "-c"], root=given.root)
    return said, made


def needed(files):
    """Functions that these objects do not have themselves."""
    said = meson_build.call(["nm", "-P", "-g", *files])[1]
    has, lacks = set(), set()
    for name, kind in re.findall(r"^(\S+) (\w)\b", said, re.M):
        (lacks if kind == "U" else has).add(name)
    return lacks - has


def step(given):
    if given.zig is None or shutil.which("clang") is None:
        return given.row("Android", "clang", None, note="neither zig's headers nor clang are enough alone")
    bionic = known(given.root / "cross/linux/bionic.txt")
    rows = []
    for target, folders in TARGETS.items():
        wrong, made = objects(given, target, LEVEL, folders, [name for name, level in bionic.items() if level is None])
        note = ""
        # musl calls some functions otherwise where a time has 64 bits and a word 32; the names are the same on all.
        if not wrong and "64-" in target:
            names = needed(made)
            wrong = "".join(f"{n} is in bionic {'since API level %d' % bionic[n] if n in bionic else 'by no line of bionic.txt'}\n"
                            for n in sorted(names) if bionic.get(n, 99) > LEVEL)
            note = f"{len(names)} functions of bionic, none younger than API level {LEVEL}"
        rows.append(given.row(f"{target}{LEVEL}", "clang", "FAILED" if wrong else "compiled", note=wrong[-2000:] or note))
    return rows
