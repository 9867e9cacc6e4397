#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds the self-test by the line that selftest/README.md tells, and runs it: one_line.sh ROOT [COMPILER]
set -eu
cd "$1"
command -v "${2:-cc}" >/dev/null || { echo "no ${2:-cc} here"; exit 77; }
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
line=$(sed -n '/^cc .*[*]\.c/{s/ && .*//;p;q}' selftest/README.md)
[ -n "$line" ] || { echo "selftest/README.md has no such line"; exit 1; }
line="${2:-cc}${line#cc}"
line=$(printf '%s\n' "$line" | sed "s| -o unx-selftest | -o $place/unx-selftest |")
eval "$line"
UNX_SELFTEST_SECONDS=30 "$place/unx-selftest"
