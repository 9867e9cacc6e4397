#!/bin/sh
# SPDX-License-Identifier: MIT
# Fuzzes: builds the targets with sanitizers and a fuzzer, and runs each for a time, two at once.
#
# usage: fuzz/run.sh [TARGET...]           all of them, if none is named
#        fuzz/run.sh merge [TARGET...]     what was found goes to fuzz/corpus: few and small inputs that cover the same
#        fuzz/run.sh totals                hours and executions of each target, from the log
#        fuzz/run.sh cover [TARGET...]     how much of which source file the corpora reach
#
# FUZZ_SECONDS: how long each target runs (900). FUZZER=libfuzzer or afl. FUZZ_JOBS: how many at once (2).
# BUILD: where to build and to keep what was found (build/fuzz). FUZZ_BUILT=1: it is built already.
# Each run adds a line to $BUILD/log.jsonl. An input that fails stays in $BUILD/found, and makes the run fail.
set -eu
cd "$(dirname "$0")/.."
root=$PWD
build=${BUILD:-$root/build/fuzz}
fuzzer=${FUZZER:-libfuzzer}
seconds=${FUZZ_SECONDS:-900}
case $fuzzer in
libfuzzer) compiler=clang ;;
afl) compiler=afl-clang-fast ;;
*)
    echo "run.sh: FUZZER is libfuzzer or afl, not $fuzzer" >&2
    exit 2
    ;;
esac
command=run
case ${1-} in
merge | totals | cover | one)
    command=$1
    shift
    ;;
esac
tree=$build/$fuzzer
all() {
    find fuzz -maxdepth 1 -name 'fuzz_*.c' | sed 's,.*/fuzz_\(.*\)\.c,\1,' | sort
}
[ $# -gt 0 ] || [ "$command" = one ] || eval "set -- $(all | tr '\n' ' ')"

build_targets() { # folder, further options of meson
    folder=$1
    shift
    if [ ! -f "$folder/build.ninja" ]; then
        mkdir -p "$build"
        CC=$compiler meson setup "$folder" -Db_lundef=false -Doptimization=1 \
            -Dmanual=disabled -Dexamples=disabled -Dbench=disabled "$@" >"$build/setup.log" ||
            { cat "$build/setup.log" && exit 1; }
    fi
    AFL_QUIET=1 ninja -C "$folder" fuzzers >"$build/build.log" 2>&1 || { cat "$build/build.log" && exit 1; }
}

# Processor time of what this shell has run, in seconds: on a busy machine that is less than the time on the clock. Of
# AFL++ it sees little, because that does not wait for the processes that it ends.
cpu() {
    times >"$build/$$.times"
    used=$(awk 'NR == 2 { split($1 " " $2, t, "[ms ]+"); print int(60 * t[1] + t[2] + 60 * t[3] + t[4]) }' \
        "$build/$$.times")
    rm "$build/$$.times"
}

# A line of the log: target, when it was started, executions, coverage, failed inputs.
note() {
    cpu
    line='{"target":"%s","fuzzer":"%s","started":%s,"seconds":%s,"cpu":%s,"executions":%s,"coverage":"%s","failed":%s}'
    # shellcheck disable=SC2059 # it is the format
    printf "$line\n" "$1" "$fuzzer" "$2" $(($(date +%s) - $2)) "$used" "$3" "$4" "$5" | tee -a "$build/log.jsonl"
}

failed_inputs() { # target
    find "$build/found/$1" -type f | wc -l
}

run_libfuzzer() { # target
    log=$build/$1.log
    started=$(date +%s)
    before=$(failed_inputs "$1")
    ended=0
    "$tree/fuzz/fuzz_$1" -max_total_time="$seconds" -max_len=4096 -timeout=60 -report_slow_units=60 -rss_limit_mb=3000 \
        -print_final_stats=1 -artifact_prefix="$build/found/$1/" "$build/queue/$1" "$root/fuzz/corpus/$1" \
        </dev/null >"$log" 2>&1 || ended=$?
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    cover=$(grep -o 'cov: [0-9]* ft: [0-9]*' "$log" | tail -1)
    new=$(($(failed_inputs "$1") - before))
    note "$1" "$started" "${executions:-0}" "$cover" "$new"
    # An input that was found before is no new file.
    if [ "$new" -gt 0 ] || [ "$ended" -gt 0 ] || [ -z "$executions" ]; then
        tail -40 "$log"
        return 1
    fi
}

run_afl() { # target
    out=$build/afl/$1
    started=$(date +%s)
    rm -rf "$out"
    export AFL_SKIP_CPUFREQ=1 AFL_NO_UI=1 AFL_NO_AFFINITY=1 AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1
    afl-fuzz -i "$root/fuzz/corpus/$1" -o "$out" -V "$seconds" -t 10000+ -m none -- "$tree/fuzz/fuzz_$1" \
        >"$build/$1.afl.log" 2>&1 </dev/null || tail -20 "$build/$1.afl.log"
    stats=$out/default/fuzzer_stats
    [ -f "$stats" ] || return 1
    value() {
        sed -n "s/^$1 *: //p" "$stats"
    }
    new=0
    for input in "$out"/default/crashes/id* "$out"/default/hangs/id*; do
        if [ -f "$input" ]; then
            cp "$input" "$build/found/$1/afl-$(sha1sum "$input" | cut -c 1-12)"
            new=$((new + 1))
        fi
    done
    note "$1" "$started" "$(value execs_done)" "$(value edges_found) edges" "$new"
    for input in "$out"/default/queue/id*; do
        cp "$input" "$build/queue/$1/$(sha1sum "$input" | cut -c 1-40)"
    done
    [ "$new" = 0 ]
}

merge() { # target
    small=$build/merged/$1
    rm -rf "$small"
    mkdir -p "$small" "fuzz/corpus/$1" "$build/queue/$1"
    # Those of the engine take long: there, how often a place is reached does not count.
    counters=1
    [ "$1" != engine ] || counters=0
    "$tree/fuzz/fuzz_$1" -merge=1 -use_counters=$counters -max_len=4096 -artifact_prefix="$build/found/$1/" \
        "$small" "fuzz/corpus/$1" "$build/queue/$1" </dev/null >"$build/$1.merge.log" 2>&1 ||
        tail -20 "$build/$1.merge.log"
    # Those that have a name of their own stay, whatever they cover.
    find "fuzz/corpus/$1" -type f | grep -E '/[0-9a-f]{12}$' | xargs -r rm
    for input in "$small"/*; do
        cp "$input" "fuzz/corpus/$1/$(sha1sum "$input" | cut -c 1-12)"
    done
    echo "$1: $(find "fuzz/corpus/$1" -type f | wc -l) inputs, $(cat "fuzz/corpus/$1"/* | wc -c) bytes"
}

totals() {
    python3 - "$build/log.jsonl" <<'END'
import json, sys

sums = {}
for line in open(sys.argv[1]):
    run = json.loads(line)
    s = sums.setdefault(run["target"], [0, 0, 0, 0])
    for i, key in enumerate(("seconds", "cpu", "executions", "failed")):
        s[i] += int(run.get(key, 0))
for target, (seconds, cpu, executions, failed) in sorted(sums.items()):
    hours = f"{seconds / 3600:6.2f} h, {cpu / 3600:6.2f} h of processor time"
    print(f"{target:14} {hours} {executions:14,} executions {failed:4} failed")
END
}

# The corpora, with a build that counts lines.
cover() {
    compiler=clang
    # What the compiler is tried with counts, too.
    export LLVM_PROFILE_FILE=/dev/null
    build_targets "$build/cover" -Dc_args='-fprofile-instr-generate -fcoverage-mapping' \
        -Dc_link_args=-fprofile-instr-generate
    for target in "$@"; do
        rm -f "$build/$target.profraw"
        mkdir -p "$build/queue/$target"
        LLVM_PROFILE_FILE=$build/$target.profraw "$build/cover/fuzz/fuzz_$target" "fuzz/corpus/$target" \
            </dev/null >/dev/null 2>&1
        llvm-profdata merge -o "$build/$target.profdata" "$build/$target.profraw"
        echo "== $target: lines and branches reached"
        llvm-cov export -summary-only -instr-profile "$build/$target.profdata" "$build/cover/fuzz/fuzz_$target" |
            python3 -c '
import json, os, sys
for f in json.load(sys.stdin)["data"][0]["files"]:
    s = f["summary"]
    if s["lines"]["covered"]:
        reached = (s["lines"]["percent"], s["branches"]["percent"])
        name = os.path.relpath(os.path.realpath(f["filename"]), sys.argv[1])
        print("%6.1f %% lines %6.1f %% branches " % reached, name)
' "$root" | grep -v -E ' (fuzz|test)/' || true
    done
}

if [ "$command" = totals ]; then
    totals
    exit
elif [ "$command" = cover ]; then
    cover "$@"
    exit
fi
for target in "$@"; do
    mkdir -p "$build/queue/$target" "$build/found/$target"
done
if [ "$command" = one ]; then
    run_"$fuzzer" "$1"
    exit
fi
if [ -z "${FUZZ_BUILT-}" ]; then
    build_targets "$tree" -Dfuzz=true -Db_sanitize=address,undefined \
        -Dc_args='-fsanitize=fuzzer-no-link -fno-sanitize-recover=undefined'
fi
if [ "$command" = merge ]; then
    for target in "$@"; do
        merge "$target"
    done
    exit
fi
export BUILD="$build"
printf '%s\n' "$@" | xargs -P "${FUZZ_JOBS:-2}" -I TARGET "$root/fuzz/run.sh" one TARGET
