#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Linux on other processors, with other C libraries, other compilers: built, linked, run, and what came of it as a table.

    cross/linux/run.py ROOT [--quick] [--build FOLDER] [--zig PROGRAM] [--tests NAME,NAME...] [STEP...]

Without a STEP all of them are done: see STEPS. What cannot be done here is said, with the reason. --quick: what a few seconds
suffice for, and no further package. --tests: these instead of whole suites. Exit status 1: something did not compile,
or a test failed; 77: nothing could be done.
"""
import argparse
import functools
import os
import pathlib
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True  # these lie in the tree
import android  # pylint: disable=wrong-import-position
import meson_build
import old_libc
import other_processors
import plain
import tap

TIME64 = ["-D_FILE_OFFSET_BITS=64", "-D_TIME_BITS=64"]
# Messages, control data, time, identity, a listener and an engine: where compilers and processors have differed.
SOME = ["public", "conformance", "message", "message_fds", "message_cred", "message_extra", "control", "control_own", "option",
        "signals", "stream", "batch", "call", "peer", "long_path", "listener", "handover", "frames_conformance",
        "engine_conformance", "engine_message"]
# By an emulator: all that is not about time, load, races, or programs that start others.
EMULATED = sorted({*SOME, "addr", "addr_text", "addr_value", "socket", "socket_birth", "accept", "adopt", "packet", "bind",
                   "bind_mode", "connect", "message_errors", "send_fd", "peer_pidfd", "policy", "bad_input", "bad_message",
                   "batch_errors", "batch_stream", "datagram", "fds_buffers", "bad_flags", "listener_path", "activation",
                   "notify", "notify_text", "notify_recv", "naive", "engine", "engine_stream", "engine_pool",
                   "engine_accept", "engine_connect", "engine_close", "frames_send", "frames_recv", "frames_split"})
FILES = ["src/*.so*", "src/*.a", "tool/unx", "examples/example_*"]


class Row:
    """One line of the table. state: what was done; None: nothing, for `note`."""

    def __init__(self, what, compiler, state, result=None, note=""):
        self.what, self.compiler, self.state, self.result, self.note = what, compiler, state, result, note

    def bad(self):
        return self.state == "FAILED" or bool(self.result and self.result.failed)


def version(compiler):
    return subprocess.run([compiler, "--version"], capture_output=True, text=True, check=False).stdout.splitlines()[0]


def emulator_of(given, compiler, wrapper):
    """What emulator.c finds, which has to be nothing where nothing is emulated."""
    found = {}
    for cc, by in ((["cc"], []), (compiler, wrapper)):
        program = given.build / "emulator"
        status, said = meson_build.call([*cc, "-O1", "-D_GNU_SOURCE", "-o", program, given.root / "cross/linux/emulator.c"])
        if status == 0:
            status, said = meson_build.call([*by, program])
        if status or (said and not by):
            raise RuntimeError(f"emulator.c with {cc}: {said}")
        found = dict(line.split(": ", 1) for line in said.splitlines())
    return tap.Emulator(given.root / "cross/linux/emulator.txt", found)


def with_meson(what, given, compiler, options=(), tests=None, env=None, wrapper=(), flags=()):
    """One build with Meson, and its tests: those of all suites without `tests`. flags: for the compiler."""
    for program in [compiler, *wrapper[:1]]:
        if shutil.which(program) is None:
            return Row(what, compiler, None, note=f"no {program} here")
    build = given.build / what.replace(" ", "-").replace(",", "")
    flagged = ["-Dc_args=" + " ".join(flags)] if flags else []
    wrong = meson_build.setup(given.root, build, ["-Dwerror=true", *options, *flagged], env)
    if wrong:
        return Row(what, compiler, "FAILED", note=wrong[-2000:])
    found = meson_build.tests_of(build, given.tests or tests)
    wrong = meson_build.compile_all(build, found, FILES)
    if wrong:
        return Row(what, version(compiler), "FAILED", note=wrong[-2000:])
    result = meson_build.run(build, found, emulator_of(given, [compiler, *flags], wrapper) if wrapper else None)
    return Row(what, version(compiler), "built, linked, run" + (" by " + wrapper[0] if wrapper else ""), result)


def processor(name, triple, qemu=None, time64=False):
    def step(given):
        wrapper = [qemu, "-L", "/usr/" + triple] if qemu else []
        options = ["--cross-file", given.root / f"cross/linux/{name}.ini"]
        tests = SOME if time64 else EMULATED if qemu else None
        return with_meson(f"{name}{' time64' if time64 else ''}", given, triple + "-gcc", options, tests, wrapper=wrapper,
                          flags=TIME64 if time64 else ())
    return step


def compilers(compiler, level, *more, whole=False):
    def step(given):
        what = f"{compiler} {'LTO ' if more else ''}O{level}"
        options = [f"-Doptimization={level}", *more]
        # What clang makes for the linker, when it sees all files at once, lld can read.
        env = {"CC": compiler, **({"CC_LD": "lld"} if more and compiler == "clang" else {})}
        return with_meson(what, given, compiler, options, None if whole else SOME, env=env)
    return step


def musl(given):
    with_headers = plain.musl_headers(given.build)
    if with_headers is None:
        return Row("musl", "musl-gcc", None, note="no kernel headers here")
    options = ["--cross-file", given.root / "cross/linux/musl.ini"]
    return with_meson("musl", given, "musl-gcc", options, flags=["-idirafter", str(with_headers)])


LTO = "-Db_lto=true"
STEPS = {
    "numbers": plain.numbers,
    "i686": processor("i686", "i686-linux-gnu"),
    "i686-time64": processor("i686", "i686-linux-gnu", time64=True),
    "musl": musl,
    "musl-static": plain.static_command,
    "aarch64": processor("aarch64", "aarch64-linux-gnu", "qemu-aarch64"),
    "armhf": processor("armhf", "arm-linux-gnueabihf", "qemu-arm"),
    "armhf-time64": processor("armhf", "arm-linux-gnueabihf", "qemu-arm", time64=True),
    "riscv64": processor("riscv64", "riscv64-linux-gnu", "qemu-riscv64"),
    "s390x": processor("s390x", "s390x-linux-gnu", "qemu-s390x"),
    **{f"{cc}-O{level}": compilers(cc, level) for cc in ("gcc", "clang") for level in "012s"},
    "gcc-O3": compilers("gcc", "3", whole=True),
    "clang-O3": compilers("clang", "3", whole=True),
    "gcc-LTO": compilers("gcc", "2", LTO),
    "clang-LTO": compilers("clang", "2", LTO),
    "old-libc": old_libc.step,
    "other-processors": other_processors.step,
    "android": android.step,
}
QUICK = {
    "numbers": functools.partial(plain.numbers, native=True),
    "small": plain.small_builds,
}


def show(rows):
    """The table, and below it what failed and why something was skipped."""
    lines = [("system", "compiler", "", "passed", "failed", "skipped")]
    for row in rows:
        result = row.result
        counts = (str(result.passed), str(len(result.failed)), str(sum(result.skipped.values()))) if result else ("", "", "")
        lines.append((row.what, row.compiler, row.state or "skipped", *counts))
    widths = [max(len(line[i]) for line in lines) for i in range(6)]
    print()
    for line in lines:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip())
    for row in rows:
        if row.note:
            print(f"{row.what}: {row.note}")
        if row.result is None:
            continue
        for failed in row.result.failed:
            print(f"{row.what}: failed: {failed}")
        for reason, n in sorted(row.result.skipped.items(), key=lambda item: -item[1]):
            print(f"{row.what}: skipped: {n} of {reason}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=pathlib.Path)
    parser.add_argument("steps", nargs="*", metavar="STEP", help=", ".join(STEPS))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build/cross/linux"))
    parser.add_argument("--zig", type=pathlib.Path)
    parser.add_argument("--tests", type=lambda text: text.split(","), default=[])
    given = parser.parse_intermixed_args()
    given.root, given.build = given.root.resolve(), given.build.resolve()
    given.build.mkdir(parents=True, exist_ok=True)
    given.zig = given.zig.resolve() if given.zig and os.access(given.zig, os.X_OK) else None
    for folder in ("ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR"):
        os.environ.setdefault(folder, str(given.build / "zig-cache"))
    given.row = Row
    given.emulator = functools.partial(emulator_of, given)
    steps = QUICK if given.quick else STEPS
    rows = []
    for name in given.steps or steps:
        if name not in steps:
            parser.error(f"no step is called {name}: {', '.join(steps)}")
        print(f"== {name}", flush=True)
        done = steps[name](given)
        rows += done if isinstance(done, list) else [done]
        for row in rows[-1:]:
            print(f"{row.what}: {row.state or 'skipped: ' + row.note}", flush=True)
    show(rows)
    if any(row.bad() for row in rows):
        return 1
    return 0 if any(row.state for row in rows) else 77


if __name__ == "__main__":
    sys.exit(main())
