#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs the Debian packages that a task needs and that are not there yet:
#   scripts/setup.sh build | test | lint | bench | soak | interop | fuzz | cross
# Says what it installs; does nothing, and needs no rights, when all is there.
set -eu

build="gcc libc6-dev meson ninja-build pkg-config util-linux liburing-dev"
test="$build g++ clang libclang-rt-14-dev socat python3 procps iproute2 strace systemd"
test="$test libseccomp-dev valgrind libuv1-dev libglib2.0-dev libsystemd-dev libevent-dev libev-dev"
# For udev and systemd-coredump see scripts/interop.sh.
interop="$test perl-base netcat-openbsd s6 tmux dbus-daemon"
soak="$build gnuplot-nox"
cross="$build clang python3 librust-libc-dev"
fuzz="$build clang llvm libclang-rt-14-dev afl++ python3"
bench="$build g++ libuv1-dev libevent-dev libglib2.0-dev libboost-dev"
lint="$test clang-format mandoc shellcheck binutils git"

case "${1-build}" in
build) wanted=$build ;;
bench) wanted=$bench ;;
fuzz) wanted=$fuzz ;;
soak) wanted=$soak ;;
cross) wanted=$cross ;;
test) wanted=$test ;;
lint) wanted=$lint ;;
interop) wanted=$interop ;;
*)
    echo "usage: scripts/setup.sh build|test|lint|bench|soak|interop|fuzz|cross" >&2
    exit 2
    ;;
esac

missing=
for package in $wanted; do
    if ! dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed'; then
        missing="$missing $package"
    fi
done
[ -n "$missing" ] || exit 0

echo "setup: installing$missing"
if [ "$(id -u)" = 0 ]; then
    as_root=
elif command -v sudo >/dev/null; then
    as_root=sudo
else
    echo "setup: not root and no sudo: install these by hand:$missing" >&2
    exit 1
fi
log=$(mktemp)
# shellcheck disable=SC2086 # lists of words
if ! { $as_root apt-get -qq update && $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $missing; } >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    exit 1
fi
rm -f "$log"
