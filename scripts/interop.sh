#!/bin/sh
# SPDX-License-Identifier: MIT
# The tests with other programs, all of them: unpacks the packages that are not to be installed, runs the suite, and
# says what was skipped and why.
#
# systemd-coredump would take over the core dumps of this system, and udev its devices, so these two are only
# unpacked, in build/interop, unless they are here already. The rest is installed by scripts/setup.sh.
#
# usage: scripts/interop.sh [test name...]        BUILD=dir: where to build (build); ROUNDS=n: so often, the first
# failure ends it
set -eu
cd "$(dirname "$0")/.."
build=${BUILD:-build}
mkdir -p "$build/interop"
UNX_INTEROP_ROOT=$(cd "$build/interop" && pwd)
export UNX_INTEROP_ROOT

# unpack PACKAGE FILE: a file of it, below a directory that is /usr on a system and may be none in the package
unpack()
{
    for directory in "" /usr; do
        if [ -e "$directory$2" ] || [ -e "$UNX_INTEROP_ROOT$directory$2" ]; then return; fi
    done
    echo "interop: unpacking $1 in $build/interop"
    (cd "$build/interop" && apt-get -qq download "$1" >download.log 2>&1 && dpkg -x "$1"_*.deb .) ||
        echo "interop: $1 cannot be had, and its tests are skipped: $(tail -n 1 "$build/interop/download.log")"
}
unpack udev /bin/udevadm
unpack systemd-coredump /lib/systemd/systemd-coredump

if [ "$#" = 0 ]; then
    set -- --suite interop
fi
# The meaning of what a service manager sends and gets is a test of the library's own.
[ "$1" != --suite ] || ONLY=plain scripts/test.sh systemd
round=0
while [ "$round" -lt "${ROUNDS:-1}" ]; do
    round=$((round + 1))
    ONLY=plain scripts/test.sh "$@" || { echo "interop: failed in round $round"; exit 1; }
done
