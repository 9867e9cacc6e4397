#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Stack: the frame of every function of src/, and the deepest way down from each call that moves a message.

    scripts/lint_stack.py ROOT

Compiles src/ with -fcallgraph-info=su (gcc), as a release is compiled. Calls through a pointer are in no call graph, so
the two places that have them are named here. What libc needs below its own functions is not counted; a test measures
the whole at run time.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

FRAME_MAX = 2048
# These hold messages of their own besides; a batch is of thirty-two that are sent, sixteen that are received.
PATHS = {"unx_send": 2560, "unx_recv": 2560, "unx_send_fd": 3072, "unx_recv_fd": 3072, "unx_send_fds": 3072,
         "unx_recv_fds": 3072, "unx_call": 3072, "unx_send_many": 16384, "unx_recv_many": 24576,
         "unx_frames_send": 3072, "unx_frames_recv": 3072}
# Frames that may be larger, and why.
LARGE = {
    "path_parent": (4352, "takes the directory out of a path of any length; no message passes here"),
    "pass_fds": (4352, "the numbers of all descriptors for a service; the process does nothing but exec then"),
    "send_some": (11264, "headers of thirty-two messages, and control data for eight full ones"),
    "recv_some": (24576, "control data of sixteen messages"),
}
# io_until() and io_resume() repeat one attempt of their caller, through a pointer: which, for the nearest caller here.
POINTERS = ("io_until", "io_resume")
ATTEMPTS = {"send_rich": "send_once", "recv_take_on": "take_again", "send_some": "send_again", "recv_some": "take_some"}


def compile_all(root, where):
    for source in sorted((root / "src").glob("*/*.c")):
        if source.name.startswith("sys_") and not source.name.startswith("sys_linux"):
            continue  # of another system
        subprocess.run(["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-fPIC", "-fvisibility=hidden",
                        f"-I{root}/include", f"-I{root}/src/sys", f"-I{root}/src/core", "-c", "-fcallgraph-info=su", str(source.resolve()),
                        "-o", str(where / (source.stem + ".o"))], check=True)


def read(where):
    """{function: frame}, {function: functions that it calls}; a part that gcc split off counts as a function."""
    frames, calls = {}, {}
    for path in where.glob("*.ci"):
        text = path.read_text()
        for title, size in re.findall(r'node: \{ title: "([^"]+)" label: "[^"]*?(\d+) bytes \(', text):
            frames[title.split(":")[-1]] = int(size)
        for source, target in re.findall(r'sourcename: "([^"]+)" targetname: "([^"]+)"', text):
            calls.setdefault(source.split(":")[-1], set()).add(target.split(":")[-1])
    return frames, calls


def deepest(name, frames, calls, above=()):
    if name not in frames or (name in above and name.split(".")[0] not in POINTERS):
        return 0
    below = set(calls.get(name, ()))
    if name.split(".")[0] in POINTERS:
        callers = [ATTEMPTS[n.split(".")[0]] for n in above if n.split(".")[0] in ATTEMPTS]
        below |= set(callers[-1:])
    return frames[name] + max((deepest(n, frames, calls, above + (name,)) for n in below), default=0)


def main():
    root = pathlib.Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        compile_all(root, pathlib.Path(folder))
        frames, calls = read(pathlib.Path(folder))
    said = []
    for name, size in sorted(frames.items()):
        allowed = LARGE.get(name.split(".")[0], (FRAME_MAX,))[0]
        if size > allowed:
            said.append(f"{name}(): a frame of {size} bytes, more than {allowed}")
    depths = {name: deepest(name, frames, calls) for name in PATHS}
    said += [f"{name}(): needs {size} bytes of stack, more than {PATHS[name]}"
             for name, size in depths.items() if not 0 < size <= PATHS[name]]
    print("\n".join(said) or "bytes of stack: " + ", ".join(f"{name} {size}" for name, size in depths.items()))
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
