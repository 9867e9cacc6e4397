#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds the tree twice, plain and with the address and undefined behaviour sanitizers, runs all tests in both, and
# says what was skipped and why. Ends with "N passed, N failed, N skipped": cases, summed over both runs. Fails if
# one failed, and if none passed.
#
# usage: scripts/test.sh [test name...]        BUILD=dir: where to build (build); ONLY=plain or ONLY=asan: one run
set -eu
cd "$(dirname "$0")/.."
build=${BUILD:-build}
runs=${ONLY:-plain asan}
# Most tests wait most of the time.
processes=$(($(nproc) + 1))

configure() { # run
    case $1 in
    plain) set -- "$1" -Dbuildtype=debugoptimized ;;
    asan) set -- "$1" -Dbuildtype=debug -Doptimization=1 -Db_sanitize=address,undefined -Db_lundef=false ;;
    *)
        echo "test.sh: no run is called $1: plain, asan" >&2
        exit 2
        ;;
    esac
    run=$1
    shift
    if [ ! -f "$build/$run/build.ninja" ]; then
        meson setup "$build/$run" "$@"
    elif [ -n "$(find /var/lib/dpkg/status -newer "$build/$run/build.ninja" 2>/dev/null)" ]; then
        # Packages have come since: event loops that were not there, for one.
        meson setup --reconfigure "$build/$run" "$@" >"$build/setup-$run.log" || { cat "$build/setup-$run.log"; exit 1; }
    fi
}

logs=
for run in $runs; do
    configure "$run"
    ninja -C "$build/$run" --quiet
    echo "== tests, $run"
    log=$build/$run/meson-logs/testlog.json
    rm -f "$log"
    # What failed is told below, case by case.
    meson test -C "$build/$run" --no-rebuild --num-processes "$processes" "$@" || true
    if [ ! -f "$log" ]; then
        echo "test.sh: $run: meson test left no log" >&2
        exit 1
    fi
    logs="$logs $run=$log"
done

# shellcheck disable=SC2086
exec python3 - $logs <<'END'
import json, re, sys

passed = failed = skipped = 0

def tell(title, test):
    print(f"== {title}")
    for part in ("stdout", "stderr"):
        text = test.get(part) or ""
        if text.strip():
            print(text.rstrip())
    print(f"== end of {title}", flush=True)

for arg in sys.argv[1:]:
    run, log = arg.split("=", 1)
    for line in open(log, encoding="utf-8", errors="replace"):
        test = json.loads(line)
        name = f'{run}: {test["name"].split(" / ")[-1]}'
        out = test.get("stdout") or ""
        result = test["result"]
        plan = re.search(r"^1\.\.(\d+)", out, re.M)
        if not plan:  # not TAP: the exit status is the case
            if result in ("OK", "EXPECTEDFAIL"):
                passed += 1
            elif result == "SKIP":
                skipped += 1
                print(f"skipped: {name}: {(out.strip().splitlines() or ['it says not why'])[-1]}")
            else:
                failed += 1
                tell(f"{name} failed ({result})", test)
            continue
        bad = 0
        cases = re.findall(r"^(ok|not ok) \d+(?: - )?(.*)$", out, re.M)
        for state, what in cases:
            case, _, reason = what.partition(" # SKIP ")
            if state == "not ok":
                bad += 1
                print(f"failed: {name}: {case}")
            elif reason:
                skipped += 1
                print(f"skipped: {name}: {case}: {reason}")
            else:
                passed += 1
        missing = max(int(plan.group(1)) - len(cases), 0)
        if missing:
            print(f"failed: {name}: {missing} cases never ran")
        bad += missing
        if not bad and result not in ("OK", "SKIP"):
            bad = 1
        if bad:
            tell(f"{name} failed ({result})", test)
        failed += bad

print(f"{passed} passed, {failed} failed, {skipped} skipped")
sys.exit(1 if failed or not passed else 0)
END
