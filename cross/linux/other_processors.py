# SPDX-License-Identifier: MIT
"""More processors, for which there is no package of a compiler here that could be installed beside the others: `zig cc` links
programs with musl for them, which run under qemu-user. Big-endian ones, and mips, where many numbers are different.
"""
import shutil

import plain

# what it is called here: (zig's name of it, what runs it)
PROCESSORS = {
    "i386, musl": ("x86-linux-musl", None),
    "mips, musl": ("mips-linux-musl", "qemu-mips"),
    "mips64, musl": ("mips64-linux-musl", "qemu-mips64"),
    "powerpc, musl": ("powerpc-linux-musl", "qemu-ppc"),
    "ppc64, musl": ("powerpc64-linux-musl", "qemu-ppc64"),
}


def step(given):
    if given.zig is None:
        return given.row("other processors", "zig cc", None, note="no zig here (scripts/cross_compile.sh gets it from npm)")
    rows = []
    for what, (target, qemu) in PROCESSORS.items():
        out = given.build / target
        out.mkdir(exist_ok=True)
        compiler = [given.zig, "cc", "-target", target]
        # musl's CMSG_NXTHDR() in the tests compares what has a sign with what has none.
        options = ["-static", "-O2", "-Wno-sign-compare"]
        wrong = "".join(plain.make(compiler, files, out / name, options) for name, files in
                        (("unx", plain.command(given.root)), ("conformance", plain.conformance(given.root))))
        if wrong:
            rows.append(given.row(what, "zig cc", "FAILED", note=wrong[-2000:]))
        elif qemu and shutil.which(qemu) is None:
            rows.append(given.row(what, "zig cc", "built, linked", note=f"no {qemu} here"))
        else:
            emulator = given.emulator([*compiler, "-static"], [qemu]) if qemu else None
            rows.append(given.row(what, "zig cc", "built, linked, run" + (" by " + qemu if qemu else ""),
                                  plain.run(out / "conformance", [qemu] if qemu else [], emulator=emulator)))
    return rows
