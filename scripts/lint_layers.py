#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Layers: who may include what, and who may call the system.

    scripts/lint_layers.py ROOT BUILD

Sources are read, and the objects of the libraries in BUILD are asked for the symbols that they lack. Prints what
breaks a rule, and exits 1 then. A new source has to be given its place in LAYERS.
"""
import pathlib
import re
import subprocess
import sys

# A source belongs to the word that its name begins with, and includes its own layer and lower ones.
LAYERS = {word: number for number, words in enumerate((
    "sys",
    "addr control io explain version",
    "socket option bind connect path peer message send recv fds batch call",
    "activation notify handover claim listener policy engine frame frames",
)) for word in words.split()}

# Headers of functions that enter the kernel. <fcntl.h> and <poll.h> are wanted for their constants; the symbols say
# that nothing of them is called.
SYSTEM_HEADERS = re.compile(
    r"^(unistd|pthread|sched|signal|time|sys/(syscall|ioctl|stat|mman|wait|epoll|eventfd|time)|linux/.*)\.h$")

# What an object outside of the system layer may take from libc: pure functions, and what compilers add.
PURE = {"memcpy", "memmove", "memset", "memcmp", "memchr", "memrchr", "strlen", "strnlen", "strrchr", "strchr",
        "strcmp", "strncmp", "strcspn", "strspn", "snprintf", "__stack_chk_fail", "_GLOBAL_OFFSET_TABLE_"}

# What no object may take: the library says nothing, and changes nothing that the whole process shares.
NEVER = {"printf", "fprintf", "puts", "perror", "syslog", "exit", "_exit", "abort", "umask", "chdir", "signal",
         "sigaction", "atexit"}
# It allocates nothing either, but for these, which say so in their headers.
ALLOCATE = {"malloc", "calloc", "realloc", "free"}
ALLOCATORS = {"event", "policy"}

# The one source that talks to the system through another library, and how the functions of that begin.
BY_LIBRARY = {"src/engine/engine_uring.c": "io_uring_", "src/engine/engine_uring_done.c": "io_uring_"}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)


def word(name):
    return re.split(r"[_.]", name)[0]


def code(path):
    """The text without comments and strings, so that words in them do not count."""
    text = path.read_text()
    return re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', " ", text, flags=re.S)


def check_sources(root, say):
    for path in sorted((root / "src").glob("*/*.[ch]")):
        here = LAYERS.get(word(path.name))
        if here is None:
            say(f"{path}: has no layer; give it one in scripts/lint_layers.py")
            continue
        is_system = word(path.name) == "sys"
        for kind, name in INCLUDE.findall(path.read_text()):
            if kind == '"':
                target = LAYERS.get(word(name))
                if "/" in name or target is None:
                    say(f"{path}: includes \"{name}\", which is no header of src/")
                elif target > here:
                    say(f"{path}: includes \"{name}\" of a higher layer")
                elif name.startswith("sys_") and not is_system:
                    say(f"{path}: includes \"{name}\", which belongs to the system layer")
            elif SYSTEM_HEADERS.match(name) and not is_system:
                say(f"{path}: includes <{name}>; only src/sys talks to the system")
        if not is_system and path.name != "control.c" and re.search(r"\bcmsghdr\b|\bCMSG_\w+", code(path)):
            say(f"{path}: knows struct cmsghdr; only src/core/control.c does")


def check_users(root, say):
    public = {str(p.relative_to(root / "include/unx")) for p in (root / "include/unx").glob("**/*.h")}
    for folder in ("tool", "examples", "bench", "include/unx"):
        for path in sorted((root / folder).glob("**/*.[ch]")):
            for kind, name in INCLUDE.findall(path.read_text()):
                if kind == '"' and (".." in name or not (path.parent / name).exists()):
                    say(f"{path}: includes \"{name}\", which is not its own")
                if kind == "<" and name.startswith("unx/") and name[4:] not in public:
                    say(f"{path}: includes <{name}>, which is not public")


def symbols(obj, what):
    out = subprocess.run(["nm", what, str(obj)], check=True, capture_output=True, text=True).stdout
    return {line.split()[-1].split("@")[0] for line in out.splitlines()}


def check_objects(build, say):
    objects = sorted(p for p in build.glob("src/libunx*.a.p/*.o"))
    if not objects:
        say(f"{build}: no objects of the libraries")
    own = set()
    for obj in objects:
        own |= symbols(obj, "--defined-only")
    for obj in objects:
        source = "src/" + obj.name.removesuffix(".o").replace("_", "/", 1)
        wanted = {re.sub(r"^__(\w+)_chk$", r"\1", s) for s in symbols(obj, "--undefined-only") - own}
        never = NEVER if ALLOCATORS & set(re.split(r"[_.]", obj.name)) else NEVER | ALLOCATE
        for name in sorted(wanted & never):
            say(f"{source}: calls {name}()")
        if word(obj.name) != "sys":
            library = BY_LIBRARY.get(source, "\n")
            for name in sorted(n for n in wanted - PURE - NEVER - ALLOCATE if not n.startswith(library)):
                say(f"{source}: calls {name}(); only src/sys talks to the system")


def main():
    root, build = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    said = []
    check_sources(root, said.append)
    check_users(root, said.append)
    check_objects(build, said.append)
    print("\n".join(said), end="\n" if said else "")
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
