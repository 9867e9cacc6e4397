#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the layers of the torture: generate.py SOURCE OUT-C OUT-WRAPS; or says what its tables lack: generate.py SOURCE.

One wrapper for each function of src/sys/sys.h and for each public one, from their headers, with what calls.txt and public.txt say of
them, and the linker's list of what is wrapped. A function that sys.h has and the table has not, or the other way round, is told by
the second form, which runs as a test, and left alone by the first, so that everything can be built meanwhile."""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
here = root / "test" / "torture"


def prototypes(text, prefix):
    """(type, name, parameters) of each function that a header declares."""
    text = re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.S)
    text = re.sub(r"^\s*#.*$", "", text, flags=re.M)
    found = re.findall(r"(?:^|[;{}])\s*([a-z_0-9][\w ]*?[ *]+)(" + prefix + r"\w+)\s*\(((?:[^()]|\([^()]*\))*)\)(?=\s*;)", text)
    return [(" ".join(t.split()), n, " ".join(p.split())) for t, n, p in found]


def names_of(parameters):
    if parameters == "void":
        return []
    result = []
    for p in re.split(r",(?![^()]*\))", parameters):
        found = re.search(r"\(\*(\w+)\)", p) or re.search(r"(\w+)\s*(?:\[\w*\])?\s*$", p)
        result.append(found.group(1))
    return result


def table(name):
    rows = {}
    for line in (here / name).read_text().splitlines():
        if line and not line.startswith("#"):
            fields = [f.strip() for f in line.split("|")]
            rows[fields[0]] = fields[1:]
    return rows


def without_descriptors():
    """The public functions that work whatever the table of descriptors holds."""
    lines = (root / "test/no_descriptor/none.txt").read_text().splitlines()
    return {name for line in lines if line and not line.startswith("#") for name in line.partition("|")[0].split()}


def sys_wrapper(result, name, parameters, how):
    args = names_of(parameters)
    call = f"__real_{name}({', '.join(args)})"
    lines = [f"{result} __real_{name}({parameters});", f"{result} __wrap_{name}({parameters});",
             f"{result} __wrap_{name}({parameters})", "{",
             f"    const int fail = inject(C_{name}, __builtin_return_address(0));"]
    if how == "close":
        lines += [f"    if (fail == PASS)\n        return {call};",
                  "    fake_enter();", f"    const {result} done = {call};", "    fake_leave();",
                  f"    gone({args[0]}, fail > 0 ? 0 : done, C_{name});", "    return fail > 0 ? -fail : done;", "}"]
        return "\n".join(lines)
    lines += [f"    if (fail > 0)\n        return answer(C_{name}, fail);", f"    if (fail == PASS)\n        return {call};",
              "    fake_enter();", f"    const {result} done = {call};", "    fake_leave();"]
    if how == "fd":
        lines.append(f"    born(done, C_{name});")
    if how == "pair":
        lines.append(f"    if (done == 0) {{\n        born({args[-1]}[0], C_{name});\n        born({args[-1]}[1], C_{name});\n    }}")
    return "\n".join(lines + ["    return done;", "}"])


def public_wrapper(result, name, parameters, words):
    args = names_of(parameters)
    call = f"__real_{name}({', '.join(args)})"
    is_int = result == "int"
    lines = [f"{result} __real_{name}({parameters});", f"{result} __wrap_{name}({parameters});",
             f"{result} __wrap_{name}({parameters})", "{",
             f"    struct frame *const here = frame_enter(P_{name}, __builtin_return_address(0));",
             f"    if (here == NULL)\n        return {call};"]
    checks = re.findall(r"(\w+)\(([^)]*)\)", words)
    plain = re.sub(r"\w+\([^)]*\)", "", words).split()
    if "files" in plain:
        lines.append("    files_before(here);")
    lines += [f"    before_{check}({', '.join(['here', *(a for a in given.split(', ') if a)])});" for check, given in checks]
    lines.append(f"    const {result} done = {call};" if not result.endswith("*") else f"    {result} const done = {call};")
    lines.append(f"    frame_returned(here, {'done' if is_int else '0'});")
    if is_int and "flags" in args:
        lines.append("    check_flags(here, done, flags);")
    elif is_int:
        lines.append("    check_flags(here, done, 0);")
    if "fd" in plain:
        lines.append("    handed(here, done);")
    lines += [f"    check_{check}({', '.join(['here', 'done', *(a for a in given.split(', ') if a)])});" for check, given in checks]
    if "keeps" in plain:
        lines.append("    here->nbirths = 0;")
    if "files" in plain:
        lines.append("    files_after(here, done);")
    lines.append(f"    frame_leave(here, {'true' if 'frees' in plain else 'false'});")
    return "\n".join(lines + ["    return done;", "}"])


def main():
    calls, public = table("calls.txt"), table("public.txt")
    system = {n: (t, n, p) for t, n, p in prototypes((root / "src/sys/sys.h").read_text(), "sys_")}
    headers = sorted((root / "include/unx").glob("*.h"))
    functions = {n: (t, n, p) for h in headers for t, n, p in prototypes(h.read_text(), "unx_")}
    listed = set(re.findall(r"F\((unx_\w+)\)", (root / "test/public_functions.h").read_text()))
    if len(sys.argv) == 2:
        sys.exit(lacking(system, functions, calls, public))
    calls = {n: f for n, f in calls.items() if n in system or not n.startswith("sys_")}
    functions = {n: f for n, f in functions.items() if n in listed}
    write(system, functions, calls, public, headers)


def lacking(system, functions, calls, public):
    wrong = [f"{n}: in one of calls.txt and sys.h alone" for n in set(system) ^ {c for c in calls if c.startswith("sys_")}]
    wrong += [f"{n}: only in public.txt" for n in set(public) - set(functions)]
    for line in sorted(wrong):
        print(line)
    return 1 if wrong else 0


def write(system, functions, calls, public, headers):
    out = ["// SPDX-License-Identifier: MIT", "/* Written by generate.py. */", '#include "torture.h"', '#include "sys.h"',
           *(f"#include <unx/{h.name}>" for h in headers), "#include <errno.h>", "#include <poll.h>", ""]
    out.append("enum {\n    " + ",\n    ".join("C_" + n for n in calls) + ",\n};")
    out.append("enum {\n    " + ",\n    ".join("P_" + n for n in functions) + ",\n};")
    out.append("const struct fake_call fake_calls[] = {")
    for name, fields in calls.items():
        errors = fields[2].split() if len(fields) > 2 else []
        out.append(f'    {{"{name}", "{fields[1]}", {{' + ", ".join([*errors, "0"]) + "}},")
    out.append(f"}};\nconst unsigned nfake_calls = {len(calls)};")
    out.append("const char *const public_names[] = {\n    " + ",\n    ".join(f'"{n}"' for n in functions) + ",\n};")
    none = without_descriptors()
    out.append("const bool public_needs_none[] = {" + ", ".join("true" if n in none else "false" for n in functions) + "};")
    for name, fields in calls.items():
        out.append(f"const int id_of_{name} = C_{name};")
    out += [sys_wrapper(*system[n], f[0]) for n, f in calls.items() if f[0] not in ("hand", "inside", "never")]
    out += [public_wrapper(*functions[n], public.get(n, [""])[0]) for n in functions]
    pathlib.Path(sys.argv[2]).write_text("\n".join(out) + "\n")
    also = ["harness_main", "harness_dir", "pthread_create", "_exit", "io_uring_queue_exit", "uring_enable"]
    wrapped = [n for n, f in calls.items() if f[0] not in ("inside", "never")] + list(functions) + also
    pathlib.Path(sys.argv[3]).write_text("".join(f"--wrap={n}\n" for n in wrapped))


main()
