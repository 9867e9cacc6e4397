#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the declarations of another system that Linux does not have, for the fake of its calls, from cross/include.

    declare.py SYSTEM.H OUTPUT


"""
import re
import sys

SECTIONS = ("kqueue", "identity")
STRUCTS = ("msghdr", "cmsghdr", "mmsghdr", "kevent", "xucred", "cmsgcred", "sockcred", "sockcred2", "unpcbid",
           "sockpeercred")


def main():
    text = open(sys.argv[1], encoding="utf-8").read()
    out = [f"/* Made by declare.py of {sys.argv[1]}. */"]
    for name, body in re.findall(r"/\* ---- ([^\n]*) ---- \*/\n(.*?)(?=/\* ---- |\Z)", text, flags=re.S):
        if name in SECTIONS:
            for line in re.findall(r"#define [^\n]*", body):
                out += [f"#undef {line.split()[1]}", line]
    for name in STRUCTS:
        out += re.findall(rf"^struct {name} {{.*?^}};", text, flags=re.S | re.M)
    out += re.findall(r"^#define EV_SET.*?\n.*?\n.*?$", text, flags=re.M)
    out += re.findall(r"^#define CROSS_CMSG_ALIGN[^\n]*", text, flags=re.M)
    with open(sys.argv[2], "w", encoding="utf-8") as f:
        f.write("\n".join(out) + "\n")


if __name__ == "__main__":
    main()
