#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Holds the kernel constants that src/sys has by number against the kernel headers of each processor.

    cross/linux/numbers.py ROOT [--zig FOLDER] [--only-native] [PROCESSOR...]

The headers are those of the compiler here, of Debian's linux-libc-dev-PROCESSOR-cross, and of zig (--zig: the folder that has its
lib), whichever are there; no compiler for the processor is needed, because a header is only a list of numbers for whoever
says which processor it is. Each is compared if the headers have it; if they are older than the constant, with the last
one before, from which it is counted. Each system call and option that src/sys uses by name has to be in the headers.
Exit status 1: something is not the same; 77: no headers were there.
"""
import argparse
import pathlib
import re
import subprocess
import sys

HEADERS = ["asm/socket.h", "asm/sockios.h", "asm/unistd.h", "asm/ioctls.h", "linux/sockios.h", "linux/fcntl.h", "linux/fs.h", "linux/memfd.h",
           "linux/net.h", "linux/wait.h", "linux/magic.h"]
# what src/sys/sys_linux_number.h says: what the headers call it, and what it is counted from in headers that are older
SAME = {
    "LINUX_SO_PEERGROUPS": ["SO_PEERGROUPS"],
    "LINUX_SO_PASSPIDFD": ["SO_PASSPIDFD", "SO_RCVMARK + 1"],
    "LINUX_SO_PEERPIDFD": ["SO_PEERPIDFD", "SO_RCVMARK + 2"],
    "LINUX_SO_PASSRIGHTS": ["SO_PASSRIGHTS", "SO_RCVMARK + 8"],
    "LINUX_SO_TIMESTAMPNS_OLD": ["SO_TIMESTAMPNS_OLD"],
    "LINUX_SO_TIMESTAMPNS_NEW": ["SO_TIMESTAMPNS_NEW"],
    "LINUX_NR_pidfd_open": ["__NR_pidfd_open"],
    "LINUX_NR_epoll_pwait2": ["__NR_epoll_pwait2"],
    "LINUX_NR_fchmodat2": ["__NR_fchmodat2", "__NR_set_mempolicy_home_node + 2"],
    **{"LINUX_CALL_" + call: ["SYS_" + call] for call in
       ("CONNECT", "SENDTO", "RECVFROM", "SENDMSG", "RECVMSG", "ACCEPT4", "RECVMMSG", "SENDMMSG")},
    "LINUX_P_PIDFD": ["P_PIDFD"],
    "LINUX_RENAME_NOREPLACE": ["RENAME_NOREPLACE"],
    "LINUX_RENAME_EXCHANGE": ["RENAME_EXCHANGE"],
    "LINUX_MFD_CLOEXEC": ["MFD_CLOEXEC"],
    "LINUX_MFD_ALLOW_SEALING": ["MFD_ALLOW_SEALING"],
    "LINUX_MFD_NOEXEC_SEAL": ["MFD_NOEXEC_SEAL", "MFD_HUGETLB << 1"],
    "LINUX_F_ADD_SEALS": ["F_ADD_SEALS"],
    "LINUX_F_GET_SEALS": ["F_GET_SEALS"],
    "LINUX_SEALS": ["F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE"],
    "LINUX_PIDFS": ["PID_FS_MAGIC"],
}
# These are of the kernel's own headers (include/linux/socket.h), which no package has: unix(7), and the tests that run.
BY_MANUAL = {"LINUX_SCM_CREDENTIALS", "LINUX_SCM_SECURITY", "LINUX_SCM_PIDFD"}
# name: (name of Debian's folder, name of zig's folder, what its compilers define)
BITS64 = ["__LP64__", "_LP64"]
MIPS = ["__mips__", "_MIPS_SZLONG=32", "_MIPS_SZPTR=32"]
PROCESSORS = {
    "i386": ("i686-linux-gnu", "x86", ["__i386__"]),
    "x32": ("x86_64-linux-gnux32", "x86", ["__x86_64__", "__ILP32__", "_ILP32"]),
    "arm64": ("aarch64-linux-gnu", "aarch64", ["__aarch64__", *BITS64]),
    "armhf": ("arm-linux-gnueabihf", "arm", ["__arm__", "__ARM_EABI__"]),
    "riscv64": ("riscv64-linux-gnu", "riscv", ["__riscv", "__riscv_xlen=64", *BITS64]),
    "s390x": ("s390x-linux-gnu", "s390x", ["__s390__", "__s390x__", *BITS64]),
    "loongarch64": (None, "loongarch", ["__loongarch__", "__loongarch_lp64", *BITS64]),
    "powerpc": ("powerpc-linux-gnu", "powerpc", ["__powerpc__"]),
    "ppc64": ("powerpc64-linux-gnu", "powerpc", ["__powerpc__", "__powerpc64__", *BITS64]),
    "mips": ("mips-linux-gnu", "mips", [*MIPS, "_MIPS_SIM=1", "_ABIO32=1", "__MIPSEB__"]),
    "mipsn32": ("mips64-linux-gnuabin32", "mips", [*MIPS, "_MIPS_SIM=2", "_ABIN32=2", "__mips64", "__MIPSEB__"]),
    "mips64el": ("mips64el-linux-gnuabi64", "mips", ["__mips__", "__mips64", "_MIPS_SIM=3", "_ABI64=3", "_MIPS_SZLONG=64",
                                                     "_MIPS_SZPTR=64", "__MIPSEL__", *BITS64]),
    "sparc64": ("sparc64-linux-gnu", "sparc", ["__sparc__", "__sparc64__", "__arch64__", "__sparc_v9__", *BITS64]),
    "hppa": ("hppa-linux-gnu", None, ["__hppa__"]),
    "alpha": ("alpha-linux-gnu", None, ["__alpha__", *BITS64]),
    "m68k": ("m68k-linux-gnu", "m68k", ["__m68k__", "__mc68000__"]),
    "sh4": ("sh4-linux-gnu", None, ["__sh__", "__SH4__"]),
    "arc": ("arc-linux-gnu", "arc", ["__arc__"]),
    "csky": (None, "csky", ["__csky__"]),
    "hexagon": (None, "hexagon", ["__hexagon__"]),
    "xtensa": (None, "xtensa", ["__xtensa__"]),
}


def used(root):
    """Names of system calls and of options that the sources take from headers: {name in the headers: another, or None}."""
    names = {}
    for source in sorted((root / "src/sys").glob("sys_linux*.[ch]")):
        text = re.sub(r"/\*.*?\*/|//[^\n]*", "", source.read_text(encoding="utf-8"), flags=re.S)
        for call in re.findall(r"\bSYS_([a-z]\w*)", text) + re.findall(r"\blinux_socket\((\w+), [A-Z]", text):
            names["__NR_" + call] = None
        for name in re.findall(r"\b(SO_[A-Z_]+|SIOC\w+|SOL_SOCKET|FIONBIO)\b", text):
            names[name] = name + "_OLD" if name.endswith("TIMEO") else None
    names.pop("__NR_lower", None)
    names.pop("__NR_socketcall", None)  # of a few processors
    names["__NR_recvmmsg"] = names.pop("__NR_recvmmsg_time64", None) or "__NR_recvmmsg_time64"
    return names


def question(root):
    """A source whose output says of each constant what was compared; #error where it is another."""
    lines = ["#include <%s>" % h for h in HEADERS]
    lines.append('#include "%s"' % (root / "src/sys/sys_linux_number.h"))
    for ours, others in SAME.items():
        for i, other in enumerate(others):
            condition = " && ".join(f"defined({word})" for word in re.findall(r"[A-Za-z_]\w+", other))
            lines += [f"#{'el' if i else ''}if {condition}", f"say \"{ours}\" {'follows' if i else 'same'} ({other}) == ({ours}) end"]
        lines += ["#else", f"say \"{ours}\" missing 1 end", "#endif"]
    for name, other in used(root).items():
        lines.append(f"#if !defined({name})" + (f" && !defined({other})" if other else ""))
        lines += [f"say \"{name}\" needed 0 end", "#else", f"say \"{name}\" there 1 end", "#endif"]
    return "\n".join(lines) + "\n"


def number(text):
    """The value of a preprocessed expression; None: not one of plain numbers."""
    text = re.sub(r"(?<=[0-9a-fA-F])[uUlL]+\b", "", text)
    if not re.fullmatch(r"[\s0-9a-fA-FxX()+\-*/|&<>=~]+", text):
        return None
    return eval(re.sub(r"\b0+(\d+)\b", r"0o\1", text), {})  # pylint: disable=eval-used


def ask(root, options):
    """{what: [names]}, and what is wrong. None: these are no headers."""
    done = subprocess.run(["cc", "-E", "-P", "-xc", *options, "-"], input=question(root), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return {}, done.stderr.splitlines()[:5]
    found, wrong = {}, []
    for name, what, test in re.findall(r'\bsay "(\S+)" (\w+)\s(.*?)\send\b', done.stdout, flags=re.S):
        found.setdefault(what, []).append(name)
        value = number(test)
        if value is None:
            wrong.append(f"{name}: {' '.join(test.split())} is no number")
        elif not value:
            wrong.append(f"{name}: {'not in the headers' if what == 'needed' else ' '.join(test.split())}")
    return found, wrong


def folders(name, zig):
    """Where headers of this processor are, of whom, and what their compiler would define."""
    debian, of_zig, macros = PROCESSORS[name]
    plain = ["-undef", "-nostdinc", "-D__linux__", *("-D" + m for m in macros)]
    if debian and (pathlib.Path("/usr") / debian / "include/asm/socket.h").exists():
        yield "Debian", [*plain, "-isystem", f"/usr/{debian}/include"]
    top = zig / "lib/libc/include" if zig else None
    if top and of_zig and (top / f"{of_zig}-linux-any").exists():
        yield "zig", [*plain, "-isystem", top / f"{of_zig}-linux-any", "-isystem", top / "any-linux-any"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=pathlib.Path)
    parser.add_argument("processors", nargs="*")
    parser.add_argument("--zig", type=pathlib.Path)
    parser.add_argument("--only-native", action="store_true")
    given = parser.parse_intermixed_args()
    root = given.root.resolve()
    listed = set(re.findall(r"^#define (LINUX_\w+)(?= )(?!\()", (root / "src/sys/sys_linux_number.h").read_text(), flags=re.M))
    unchecked = listed - set(SAME) - BY_MANUAL
    if unchecked:
        print("nothing here checks", *sorted(unchecked))
        return 1
    jobs = [("native", "of this compiler", ["-D_GNU_SOURCE"])]
    if not given.only_native:
        jobs += [(n, *rest) for n in given.processors or PROCESSORS for rest in folders(n, given.zig)]
    failed = 0
    for name, whose, options in jobs:
        found, wrong = ask(root, options)
        for line in wrong:
            print(f"{name}, headers {whose}: {line}")
        same, follows, missing = (found.get(k, []) for k in ("same", "follows", "missing"))
        print(f"{name}, headers {whose}: {len(same)} the same, {len(follows)} as counted from the one before, "
              f"{len(found.get('there', []))} there by name" + (", too old for " + " ".join(missing) if missing else ""), flush=True)
        failed += bool(wrong) or not found
    for name in [] if given.only_native else given.processors or PROCESSORS:
        if not any(job[0] == name for job in jobs):
            print(f"{name}: skipped: no headers here")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
