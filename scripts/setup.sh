#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs the Debian packages that a task needs and that are not there yet:
#   scripts/setup.sh build | test | lint | bench | soak | interop | fuzz | cross-compile | cross
# Says what it installs; does nothing, and needs no rights, when all is there.
set -eu

build="gcc libc6-dev meson ninja-build pkg-config util-linux liburing-dev"
test="$build g++ clang libclang-rt-14-dev socat python3 procps iproute2 strace systemd"
test="$test cmake zsh fish libseccomp-dev valgrind libuv1-dev libglib2.0-dev libsystemd-dev libevent-dev libev-dev"
# Programs that the tests talk to. For udev and systemd-coredump see scripts/interop.sh.
test="$test perl-base netcat-openbsd s6 tmux dbus-daemon"
soak="$build gnuplot-nox"
cross_compile="$build clang python3 librust-libc-dev"
# No gcc-multilib, which cannot be installed beside these: i686 has a compiler of its own.
cross="$cross_compile lld musl-tools qemu-user gcc-i686-linux-gnu gcc-aarch64-linux-gnu gcc-arm-linux-gnueabihf"
cross="$cross gcc-riscv64-linux-gnu gcc-s390x-linux-gnu libc6-dev-i386-cross libc6-dev-arm64-cross libc6-dev-armhf-cross"
cross="$cross libc6-dev-riscv64-cross libc6-dev-s390x-cross"
# Of these the kernel's headers alone: their numbers differ most.
for processor in alpha hppa m68k mips mips64el mipsn32 powerpc ppc64 sh4 sparc64 x32; do
    cross="$cross linux-libc-dev-$processor-cross"
done
fuzz="$build clang llvm libclang-rt-14-dev afl++ python3"
bench="$build g++ libuv1-dev libevent-dev libglib2.0-dev libboost-dev"
lint="$test clang-format mandoc shellcheck binutils git"

case "${1-build}" in
build) wanted=$build ;;
bench) wanted=$bench ;;
fuzz) wanted=$fuzz ;;
soak) wanted=$soak ;;
cross) wanted=$cross ;;
cross-compile) wanted=$cross_compile ;;
test | interop) wanted=$test ;;
lint) wanted=$lint ;;
*)
    echo "usage: scripts/setup.sh build|test|lint|bench|soak|interop|fuzz|cross-compile|cross" >&2
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
