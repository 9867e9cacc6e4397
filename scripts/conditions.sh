#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs all tests under other conditions, and says what failed and what was skipped, and why; at the end a table.
#
# usage: scripts/conditions.sh [CONDITION...]   BUILD=dir: where to build (build); TESTS="name...": these tests alone
#
# Conditions: linux_4_9 and the like (test/conditions/old_kernel.c), container, old_container, without_accept4 and the
# like; signals, pulses, no_descriptor; asan (with UBSan), tsan, msan, valgrind. Groups: kernels, sanitizers.
# Without one: kernels, signals, pulses, no_descriptor.
set -eu
cd "$(dirname "$0")/.."
here=$(pwd)
build=${BUILD:-build}
case $build in /*) ;; *) build=$here/$build ;; esac
kernels="linux_3_10 linux_4_9 linux_5_4 linux_5_10 linux_6_1 linux_6_12 container old_container
without_accept4 without_io_uring_setup without_pidfds without_pidfd_open without_memfd_create without_close_range
without_renameat2 without_epoll_pwait2 without_SO_PEERPIDFD without_SO_PASSRIGHTS"
sanitizers="tsan msan valgrind"
suppressions=$here/test/conditions
ours="--suite library --suite engine --suite data"

# build_of NAME OPTION...: a build folder, made when it is not there
build_of()
{
    dir=$build/$1
    shift
    if [ ! -f "$dir/build.ninja" ]; then
        meson setup "$dir" "$@" >"$build/setup.log" || { cat "$build/setup.log" >&2; exit 1; }
    fi
    # What is put around tests is no dependency of theirs; of the tests, those that are asked for.
    around=
    [ -z "${TESTS-}" ] || around=$(ninja -C "$dir" -t targets all | sed -n 's,^\(test/conditions/[a-z_]*\(\.so\)*\): c_LINKER.*,\1,p')
    # shellcheck disable=SC2086 # a list of words
    ninja -C "$dir" --quiet $around
}

clang_build()
{
    CC=clang CXX=clang++ build_of "$1" -Dbuildtype=debug -Doptimization=1 -Db_sanitize="$2" -Db_lundef=false \
        -Dbench=disabled
}

# Tests wait longer for what must come, before they call it lost.
HARNESS_SLOWER=1
export HARNESS_SLOWER
failed=
rebuild=--no-rebuild
[ -z "${TESTS-}" ] || rebuild=
mkdir -p "$build"
table=$build/conditions-table.$$
trap 'rm -f "$table"' EXIT
: >"$table"
# What has conditions of its own, or runs a compiler alone.
others="--no-suite conditions --no-suite interop --no-suite hostile --no-suite fuzz --no-suite torture --no-suite systems"
# with NAME SUITES WRAPPER: tests of $dir
with()
{
    name=$1 wrapper=$3
    log=$dir/meson-logs/conditions-$name
    rm -f "$log"*.json
    echo "== $name"
    # shellcheck disable=SC2086 # lists of words
    meson test -C "$dir" $rebuild --quiet --timeout-multiplier "${slower:-5}" --logbase "conditions-$name" \
        $others $2 ${wrapper:+--wrapper "$wrapper"} ${TESTS:-} >"$log.out" 2>&1 || true
    for found in "$log"*.json; do
        [ -f "$found" ] || { cat "$log.out" >&2; exit 1; }
        python3 "$here/scripts/conditions_report.py" "$name" "$found" "$table" || failed="$failed $name"
    done
}

condition()
{
    case $1 in
    kernels) for each in $kernels; do condition "$each"; done ;;
    sanitizers) for each in $sanitizers; do condition "$each"; done ;;
    signals)
        build_of plain -Dbuildtype=debugoptimized
        with signals '' "env UNX_DISTURBED=signals LD_PRELOAD=$dir/test/conditions/libconditions_signals.so"
        ;;
    pulses)
        build_of plain -Dbuildtype=debugoptimized
        with pulses '' "$dir/test/conditions/pulses"
        ;;
    no_descriptor)
        build_of plain -Dbuildtype=debugoptimized
        with no_descriptor '' "env LD_PRELOAD=$dir/test/conditions/libconditions_no_descriptor.so"
        ;;
    asan)
        build_of asan -Dbuildtype=debug -Doptimization=1 -Db_sanitize=address,undefined -Db_lundef=false
        with asan '' ''
        ;;
    tsan)
        clang_build tsan thread
        TSAN_OPTIONS="suppressions=$suppressions/tsan.supp" with tsan "$ours" ''
        ;;
    msan)
        # What is linked with the event loops of others is not, because they are not built with it.
        clang_build msan memory
        with msan "$ours --no-suite loops" "env LD_PRELOAD=$dir/test/conditions/libconditions_msan.so"
        ;;
    valgrind)
        build_of plain -Dbuildtype=debugoptimized
        slower=20
        # What cases leave open is judged twice: by the harness, and by what valgrind saw being opened and closed.
        options="-q --error-exitcode=97 --track-fds=yes --child-silent-after-fork=no"
        HARNESS_PROCESSES=1 with valgrind "$ours" "valgrind $options --suppressions=$suppressions/valgrind.supp"
        slower=
        ;;
    linux_* | without_* | container | old_container)
        build_of plain -Dbuildtype=debugoptimized
        with "$1" '' "$dir/test/conditions/old_kernel $1"
        ;;
    *)
        echo "conditions.sh: no condition is called $1" >&2
        exit 2
        ;;
    esac
}

[ $# -gt 0 ] || set -- kernels signals pulses no_descriptor
for each in "$@"; do
    condition "$each"
done
echo "== the conditions"
cat "$table"
[ -z "$failed" ] || { echo "failed:$failed"; exit 1; }
echo "all conditions held"
