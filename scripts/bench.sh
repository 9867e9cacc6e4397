#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds the benchmarks, with the library as it is installed, and runs them with the arguments given here: bench_message
# (bench/bench_message.c), then bench_echo (bench/bench_echo.c). With --only echo... only the latter, with --only and
# anything else only the former; what else each understands, it says when it is asked for --help.
set -eu

cd "$(dirname "$0")/.."
dir=build/plain
if [ ! -f "$dir/build.ninja" ]; then
    mkdir -p build
    if ! meson setup "$dir" >build/bench.log 2>&1; then
        cat build/bench.log >&2
        exit 1
    fi
fi
# Libraries to compare with may have been installed since.
meson setup --reconfigure "$dir" >build/bench.log 2>&1 || { cat build/bench.log >&2; exit 1; }

case " $* " in
*' --only echo'* | *' --only=echo'*) programs=bench_echo ;;
*' --only '* | *' --only='*) programs=bench_message ;;
*) programs='bench_message bench_echo' ;;
esac
status=0
for program in $programs; do
    # Only what is needed: the libraries and the benchmark.
    ninja -C "$dir" "bench/$program" >build/bench.log 2>&1 || { cat build/bench.log >&2; exit 1; }
    "$dir/bench/$program" "$@" || status=$?
done
exit "$status"
