# SPDX-License-Identifier: MIT
"""What needs no Meson: one command of a compiler makes a program of the sources of the library and of a test or the command.

What surprised us: musl-gcc knows nothing of the kernel's headers, and the folder that has them has those of the other C
library too, so they are linked into a folder of their own.
"""
import concurrent.futures
import pathlib
import re
import shutil
import sys

import meson_build
import tap

WARNINGS = ["-std=gnu11", "-D_GNU_SOURCE", "-D_FILE_OFFSET_BITS=64", "-Wall", "-Wextra", "-Werror", "-Wshadow",
            "-Wstrict-prototypes", "-Wmissing-prototypes", "-Wundef", "-Wvla", "-Wpointer-arith", "-Wwrite-strings",
            "-fvisibility=hidden", "-pthread"]
HARNESS = ["deep.c", "harness.c", "harness_state.c", "raw.c", "raw_addr.c"]


def sources(root, folders=("core", "service", "data", "engine")):
    """Of the library, without rings, which need liburing."""
    found = sorted((root / "src/sys").glob("sys_linux*.c"))
    for folder in folders:
        found += [p for p in sorted((root / "src" / folder).glob("*.c")) if not p.name.startswith("engine_uring")]
    return found


def includes(root):
    return [f"-I{root / folder}" for folder in ("include", "src/sys", "src/core", "test")]


def conformance(root):
    """A test, and what it is made of."""
    names = ["test_conformance.c", "conformance.c", "conformance_rows.c", *HARNESS]
    return sources(root, ("core",)) + [root / "test" / name for name in names]


def command(root):
    return sources(root) + sorted((root / "tool").glob("*.c"))


def make(compiler, files, program, options, root=None):
    """What the compiler said, if it failed: zig also warns of its own C library, which it compiles first."""
    own = includes(root or files[0].parents[2])
    status, said = meson_build.call([*compiler, *WARNINGS, *own, *options, "-o", program, *files])
    return (said or f"exit status {status}") if status else ""


def run(program, wrapper=(), arguments=(), emulator=None):
    """What became of the cases of a test program that speaks TAP."""
    result = tap.Result()
    name = pathlib.Path(program).stem.removeprefix("test_")
    _, out = meson_build.call([*wrapper, program, *arguments], env=emulator.environment() if emulator else {})
    if not result.take(name, out, emulator):
        result.failed.append(f"{name}: it is no test: {out[-300:]}")
    return result


def musl_headers(build):
    """A folder with the kernel's headers alone."""
    folder = build / "kernel-headers"
    folder.mkdir(parents=True, exist_ok=True)
    asm = next((p for p in (pathlib.Path("/usr/include/x86_64-linux-gnu/asm"), pathlib.Path("/usr/include/asm")) if p.exists()), None)
    if asm is None:
        return None
    for name, there in (("linux", "/usr/include/linux"), ("asm-generic", "/usr/include/asm-generic"), ("asm", asm)):
        link = folder / name
        if not link.is_symlink():
            link.symlink_to(there)
    return folder


def musl_options(given):
    folder = musl_headers(given.build) if shutil.which("musl-gcc") else None
    return None if folder is None else ["-idirafter", folder, "-static"]


def small_build(given, what, compiler, options):
    if options is None or shutil.which(compiler) is None:
        return given.row(what, compiler, None, note=f"no {compiler} here")
    program = given.build / ("small-" + what.replace(", ", "-").replace(" ", "-"))
    wrong = make([compiler], conformance(given.root), program, options)
    if wrong:
        return given.row(what, compiler, "FAILED", note=wrong[-2000:])
    return given.row(what, compiler, "built, linked, run", run(program))


def small_builds(given):
    """The core with its conformance test, in a few ways, each by one command, two at once."""
    ways = [("gcc O0", "gcc", ["-O0"]), ("gcc O3, LTO", "gcc", ["-O3", "-flto"]), ("clang O2", "clang", ["-O2"]),
            ("musl Os, static", "musl-gcc", musl_options(given))]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda way: small_build(given, *way), ways))


def static_command(given):
    """unx, without anything it needs at run time, and the test of it."""
    what = "musl, static command"
    options = musl_options(given)
    if options is None:
        return given.row(what, "musl-gcc", None, note="no musl-gcc here")
    program = given.build / "static/unx"
    program.parent.mkdir(exist_ok=True)
    wrong = make(["musl-gcc"], command(given.root), program, ["-Os", *options])
    if wrong:
        return given.row(what, "musl-gcc", "FAILED", note=wrong[-2000:])
    return given.row(what, "musl-gcc", "built, linked, run", run(given.root / "test/test_tool.sh", arguments=[program]),
                     note=f"{program.stat().st_size} bytes")


def numbers(given, native=False):
    """Constants by number: numbers.py says which, and of whose headers."""
    zig = ["--zig", given.zig.parent] if given.zig else []
    script = given.root / "cross/linux/numbers.py"
    status, said = meson_build.call([sys.executable, script, given.root, *zig, *(["--only-native"] if native else [])])
    print(said, end="", flush=True)
    done = len(re.findall(r" the same, ", said))
    return given.row("kernel constants", "cc", "FAILED" if status else f"compared, {done} kinds of headers")
