#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds the benchmark, with the library as it is installed, and runs it with the arguments given here. See
# bench/bench_message.c.
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
# Only what is needed: the library and the benchmark.
ninja -C "$dir" --quiet bench/bench_message >&2
exec "$dir/bench/bench_message" "$@"
