# SPDX-License-Identifier: MIT
"""The oldest glibc that the libraries and the command link with, by `zig cc`, which knows what each release of it has.

What surprised us: a program that is built with a new glibc does not start with an older one, although nothing in it is
new, because a symbol is bound to the version that the linker saw.
"""
import re

import meson_build
import plain

# From the one that is promised down, until one does not link any more.
PROMISED = "2.17"
VERSIONS = [PROMISED, "2.16", "2.12", "2.9"]


def link(given, version):
    """{library or command: what is wrong}"""
    out = given.build / f"glibc-{version}"
    out.mkdir(exist_ok=True)
    compiler = [given.zig, "cc", "-target", f"x86_64-linux-gnu.{version}"]
    options = ["-O2"]
    wrong = {}
    libraries = plain.make(compiler, plain.sources(given.root), out / "libunx.so", [*options, "-fPIC", "-shared", "-Wl,--no-undefined"])
    if libraries:
        wrong["libraries"] = libraries
    for name, files in (("unx", plain.command(given.root)), ("conformance", plain.conformance(given.root))):
        said = plain.make(compiler, files, out / name, options)
        if said:
            wrong[name] = said
    return wrong


def bound_to(program):
    """{version of glibc: symbols} of a program, the youngest first."""
    found = {}
    for name, version in re.findall(r"\s(\w+)@GLIBC_([0-9.]+)", meson_build.call(["readelf", "-W", "--dyn-syms", program])[1]):
        found.setdefault(version, set()).add(name)
    return sorted(found.items(), key=lambda item: [int(n) for n in item[0].split(".")], reverse=True)


def step(given):
    what = "oldest glibc"
    if given.zig is None:
        return given.row(what, "zig cc", None, note="no zig here (scripts/cross_compile.sh gets it from npm)")
    oldest, missing = None, ""
    for version in VERSIONS:
        wrong = link(given, version)
        if wrong:
            names = sorted(set(re.findall(r"undefined symbol: (\w+)", "".join(wrong.values()))))
            missing = f"{version} lacks " + (", ".join(names) if names else "".join(wrong.values())[-1500:])
            break
        oldest = version
    if oldest is None:
        return given.row(what, "zig cc", "FAILED", note=missing)
    out = given.build / f"glibc-{PROMISED}"
    youngest = bound_to(out / "libunx.so")[:1]
    result = plain.run(out / "conformance")
    status, said = meson_build.call([out / "unx", "--version"])
    if status:
        result.failed.append("unx --version: " + said)
    return given.row(f"glibc {oldest} or younger", "zig cc", "built, linked, run", result,
                     note=missing + "".join(f"; youngest that is used: {', '.join(sorted(names))} of {v}" for v, names in youngest))
