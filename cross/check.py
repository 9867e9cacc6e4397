#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares the numbers, types and structs of cross/include/SYSTEM/system.h with what Debian's librust-libc-dev says of that system.

    cross/check.py ROOT [SYSTEM...]

Every `#define NAME NUMBER`, every `typedef TYPE NAME;` and every struct is looked up, field by field. What that package does
not have is listed with --missing, and rests on the manual page named in its line alone. Exit status 1: something is not
the same, or a line has no source; 77: the package is not there.
"""
import argparse
import pathlib
import re
import sys

# Where the definitions for 64-bit x86 are: the first file that has a name counts.
FILES = {
    "freebsd": ["bsd/freebsdlike/freebsd/freebsd13/x86_64.rs", "bsd/freebsdlike/freebsd/freebsd13/b64.rs",
                "bsd/freebsdlike/freebsd/freebsd13/mod.rs", "bsd/freebsdlike/freebsd/x86_64/mod.rs",
                "bsd/freebsdlike/freebsd/mod.rs", "bsd/freebsdlike/mod.rs", "bsd/mod.rs", "mod.rs"],
    "dragonfly": ["bsd/freebsdlike/dragonfly/mod.rs", "bsd/freebsdlike/dragonfly/errno.rs", "bsd/freebsdlike/mod.rs",
                  "bsd/mod.rs", "mod.rs"],
    "openbsd": ["bsd/netbsdlike/openbsd/x86_64.rs", "bsd/netbsdlike/openbsd/mod.rs", "bsd/netbsdlike/mod.rs", "bsd/mod.rs",
                "mod.rs"],
    "netbsd": ["bsd/netbsdlike/netbsd/x86_64.rs", "bsd/netbsdlike/netbsd/mod.rs", "bsd/netbsdlike/mod.rs", "bsd/mod.rs",
               "mod.rs"],
    "illumos": ["solarish/illumos.rs", "solarish/x86_64.rs", "solarish/mod.rs", "mod.rs"],
}
SIZES = {"char": 1, "signed char": 1, "unsigned char": 1, "short": 2, "unsigned short": 2, "int": 4, "unsigned": 4,
         "long": 8, "unsigned long": 8, "long long": 8, "int8_t": 1, "uint8_t": 1, "int16_t": 2, "uint16_t": 2,
         "int32_t": 4, "uint32_t": 4, "int64_t": 8, "uint64_t": 8, "size_t": 8, "intptr_t": 8, "uintptr_t": 8}
RUST_SIZES = {"c_char": 1, "c_schar": 1, "c_uchar": 1, "c_short": 2, "c_ushort": 2, "c_int": 4, "c_uint": 4, "c_long": 8,
              "c_ulong": 8, "c_longlong": 8, "c_ulonglong": 8, "i8": 1, "u8": 1, "i16": 2, "u16": 2, "i32": 4, "u32": 4,
              "i64": 8, "u64": 8, "isize": 8, "usize": 8, "size_t": 8, "ssize_t": 8, "intptr_t": 8, "uintptr_t": 8}


class Rust:
    def __init__(self, folder, files):
        self.texts = [re.sub(r"//[^\n]*|/\*.*?\*/", "", p.read_text(), flags=re.S)
                      for p in (folder / f for f in files) if p.exists()]

    def first(self, pattern):
        for text in self.texts:
            found = re.findall(pattern, text, flags=re.S | re.M)
            if found:
                return found
        return []

    def values(self, name):
        return {self.number(v) for v in self.first(rf"pub const {name}\s*:[^=]*=\s*([^;]*);")} - {None}

    def number(self, text):
        text = re.sub(r"\bas\s+[:\w]+|::", "", text).strip()
        for name in sorted(set(re.findall(r"\b[A-Z][A-Z0-9_]+\b", text)), key=len, reverse=True):
            known = self.values(name)
            if len(known) != 1:
                return None
            text = re.sub(rf"\b{name}\b", str(*known), text)
        text = re.sub(r"(?<=[0-9a-fA-F])_(?=[0-9a-fA-F])|(?<=\d)[iu](8|16|32|64|size)\b", "", text).replace("!", "~")
        return eval(text, {}) if re.fullmatch(r"[\s0-9a-fA-FxXoO()+\-*/|&~<>]+", text) else None

    def size(self, name):
        name = name.replace("::", "").strip()
        if "*" in name:
            return 8
        array = re.fullmatch(r"\[(.*);(.*)\]", name, flags=re.S)
        if array:
            of, n = self.size(array[1]), self.number(array[2])
            return None if of is None or n is None else of * n
        if name in RUST_SIZES:
            return RUST_SIZES[name]
        alias = self.first(rf"pub type {name}\s*=\s*([^;]+);")
        if alias:
            return self.size(alias[-1])  # behind the special cases
        inside = self.fields(name)
        return sum(s or 0 for _, s in inside) if inside else None

    def fields(self, name):
        body = self.first(rf"pub struct {name}\s*\{{(.*?)\n\s*\}}")
        if not body:
            return None
        inside = re.sub(r"#\[cfg\(not\(libc_union\)\)\]\s*\w+\s*:[^,]*,|#\[[^\n]*\]", "", body[0])
        found = re.findall(r"(?:pub )?(\w+)\s*:\s*((?:\[[^\]]*\]|[^,\[])+)", inside)
        return list({n: (n, self.size(t)) for n, t in found}.values())


def c_size(text, own):
    text = re.sub(r"\b(const|struct)\b", "", text).strip()
    return 8 if "*" in text else SIZES.get(text, own.get(text))


def c_fields(body, own, numbers):
    result = []
    for line in re.sub(r"//[^\n]*|/\*.*?\*/", "", body).split(";"):
        found = re.fullmatch(r"\s*([\w ]+?[ *]+)(\w+)(?:\[(\w+)\])?\s*", line)
        if found:
            n = found[3] or 1
            of = c_size(found[1], own)
            result.append((found[2], None if of is None else of * int(numbers.get(n, n))))
    return result


def check(root, system, rust, missing):
    wrong = []
    text = (root / "cross/include" / system / "system.h").read_text()
    numbers, own = {}, {}
    for line in text.splitlines():
        is_one = re.match(r"#define \w+ [-(0-9]|typedef |    [\w ]+[ *]\w+(\[\w+\])?;|struct \w+ \{", line)
        if is_one and not re.search(r"/\* .+ \*/$", line) and not line.startswith("    "):
            wrong.append(f"no source: {line}")
    for name, value in re.findall(r"^#define (\w+) \(?(-?\w+)\)?(?: |$)", text, flags=re.M):
        if re.fullmatch(r"-?(0x[0-9a-f]+|\d+)", value) is None:
            wrong.append(f"{name}: {value} is no number")
            continue
        numbers[name] = int(value, 8 if re.fullmatch(r"0[0-7]+", value) else 0)
        known = rust.values(name)
        if not known:
            missing.append(f"{system}: {name}")
        elif numbers[name] & 0xffffffff not in {k & 0xffffffff for k in known}:
            wrong.append(f"{name} is {sorted(known)}, not {numbers[name]}")
    for c_type, name in re.findall(r"^typedef ([\w ]+?) (\w+);", text, flags=re.M):
        own[name] = c_size(c_type, own)
        known = rust.size(name)
        if known is None:
            missing.append(f"{system}: {name}")
        elif own[name] is not None and known != own[name]:
            wrong.append(f"{name} has {known} bytes, not {own[name]}")
    for name, body in re.findall(r"^struct (\w+) \{[^\n]*\n(.*?)^\};", text, flags=re.M | re.S):
        known, ours = rust.fields(name), c_fields(body, own, numbers)
        if known is None:
            missing.append(f"{system}: struct {name}")
            continue
        for i, (field, size) in enumerate(ours):
            # A field that C has in a union of its own, or that Rust calls otherwise, has to have the same place and size.
            there = known[i] if i < len(known) else ("nothing", 0)
            if there[1] is not None and size is not None and there[1] != size:
                wrong.append(f"struct {name}: {field} has {size} bytes, {there[0]} has {there[1]}")
    return wrong


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--missing", action="store_true")
    parser.add_argument("root", type=pathlib.Path)
    parser.add_argument("systems", nargs="*")
    given = parser.parse_intermixed_args()
    folders = sorted(pathlib.Path("/usr/share/cargo/registry").glob("libc-*/src/unix"))
    if not folders:
        print("librust-libc-dev is not installed")
        return 77
    status, missing = 0, []
    for system in given.systems or FILES:
        for what in check(given.root, system, Rust(folders[-1], FILES[system]), missing):
            print(f"cross/include/{system}/system.h: {what}")
            status = 1
    if given.missing:
        print("\n".join(missing))
    return status


if __name__ == "__main__":
    sys.exit(main())
