#!/bin/sh
# SPDX-License-Identifier: MIT
# Linux on other processors, with other C libraries and other compilers, as a table: scripts/cross.sh [STEP...]
# Without a STEP all of them are done, which takes hours on a small machine; `python3 cross/linux/run.py . --help` lists them.
set -eu

cd "$(dirname "$0")/.."
zig=$(scripts/get_zig.sh) || zig=
PYTHONDONTWRITEBYTECODE=1
export PYTHONDONTWRITEBYTECODE
exec python3 cross/linux/run.py . ${zig:+--zig "$zig"} "$@"
