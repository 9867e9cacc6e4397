#!/bin/sh
# SPDX-License-Identifier: MIT
# The libraries for systems that are not here: scripts/cross_compile.sh [SYSTEM...]
#
# Checks the numbers in cross/include against those of Debian's librust-libc-dev, gets zig from npm into build/ if it is
# not there (scripts/get_zig.sh; without it macOS is skipped, and this says so), and compiles.
set -eu

cd "$(dirname "$0")/.."
zig=$(scripts/get_zig.sh) || echo "macOS will be skipped"

status=0
if numbers=$(python3 cross/check.py .); then
    echo "numbers, types and structs of cross/include are those of librust-libc-dev"
else
    status=$?
    echo "$numbers"
    [ "$status" = 77 ] || status=1
    [ "$status" = 1 ] || status=0
fi
python3 cross/compile.py . ${zig:+--zig "$zig"} "$@" || { compiled=$?; [ "$compiled" = 77 ] || status=1; }
exit "$status"
