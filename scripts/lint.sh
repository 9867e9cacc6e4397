#!/bin/sh
# SPDX-License-Identifier: MIT
# Everything about the sources that can be checked without running them. One line for each check, and what is wrong.
#
#     scripts/lint.sh [BUILD]
#
# BUILD is a build folder of this tree; without it, build/plain, which is made if it is not there. Exit status 1 if a
# check fails. Lines that begin with "warning:" break no rule.
#
# What is left out: mandoc's "referenced manual not found", which depends on the packages that are installed; references
# to our own pages are checked by scripts/lint_man.py.
# shellcheck disable=SC2317,SC2329 # check() calls the functions by their names
set -u

root=$(cd "$(dirname "$0")/.." && pwd) || exit 1
cd "$root" || exit 1
build=${1:-build/plain}
failed=0
PYTHONDONTWRITEBYTECODE=1
export PYTHONDONTWRITEBYTECODE

# check WHAT COMMAND... : what the command prints is shown in front of the verdict.
check()
{
    what=$1
    shift
    if lines=$("$@" 2>&1); then
        verdict=ok
    else
        verdict=FAILED
        failed=1
    fi
    [ -z "$lines" ] || printf '%s\n' "$lines"
    printf 'lint: %s ... %s\n' "$what" "$verdict"
}

# files PATTERN : the files of the project whose names match: what git knows or would add; without git, all but build/.
files()
{
    if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
        git ls-files --cached --others --exclude-standard
    else
        find . -type f ! -path './build/*' ! -path './.git/*' | sed 's,^\./,,'
    fi | sort -u | grep -E -- "$1" | while IFS= read -r name; do
        if [ -f "$name" ]; then
            printf '%s\n' "$name"
        fi
    done
}

made()
{
    if [ ! -f "$build/build.ninja" ]; then
        meson setup "$build" >"$tmp/log" 2>&1 || { cat "$tmp/log"; return 1; }
    fi
    ninja -C "$build" >"$tmp/log" 2>&1 || { tail -n 30 "$tmp/log"; return 1; }
    # Compilers repeat no warning for what is built already; the build of CI makes them errors.
    grep -n 'warning:' "$tmp/log" || return 0
}

headers()
{
    status=0
    # The headers of event loops want _GNU_SOURCE, and are not ours to judge.
    loops=$(pkg-config --cflags glib-2.0 libuv libsystemd libevent_core) || return 1
    loops="-D_GNU_SOURCE $(printf '%s\n' "$loops" | sed 's/-I/-isystem /g')"
    for header in include/unx/*.h include/unx/adapters/*.h; do
        case $header in
        */adapters/*) more=$loops ;;
        *) more= ;;
        esac
        for run in 'gcc c c11' 'gcc c c17' 'g++ c++ c++11' 'g++ c++ c++20' \
            'clang c c11' 'clang c c17' 'clang++ c++ c++11' 'clang++ c++ c++20'; do
            # shellcheck disable=SC2086 # three words
            set -- $run
            # shellcheck disable=SC2086 # options
            printf '#include <%s>\n' "${header#include/}" |
                "$1" -x "$2" -std="$3" -Wall -Wextra -Wpedantic -Werror -Iinclude $more -fsyntax-only - ||
                { echo "$header: $run"; status=1; }
        done
    done
    return "$status"
}

formatted()
{
    formatter=clang-format-14
    command -v "$formatter" >/dev/null || formatter=clang-format
    case $("$formatter" --version) in
    *'version 14.'*) ;;
    *)
        echo "clang-format 14 is needed: another version formats otherwise"
        return 1
        ;;
    esac
    files '\.[ch]$' >"$tmp/c"
    status=0
    while IFS= read -r name; do
        "$formatter" --dry-run -Werror "$name" >/dev/null 2>&1 || { echo "$name: $formatter -i would change it"; status=1; }
    done <"$tmp/c"
    return "$status"
}

text()
{
    files . >"$tmp/all" && xargs python3 scripts/lint_text.py . <"$tmp/all"
}

shell()
{
    files . | while IFS= read -r name; do
        if head -n 2 "$name" | grep -Eqa '^#!.*[/ ](ba|da)?sh( |$)|^# shellcheck shell='; then
            printf '%s\n' "$name"
        fi
    done >"$tmp/sh"
    xargs shellcheck <"$tmp/sh"
}

size()
{
    for name in libunx libunx-service libunx-engine libunx-data; do
        strip -o "$tmp/stripped" "$build/src/$name.so" || return 1
        bytes=$(wc -c <"$tmp/stripped")
        echo "$name.so, stripped, has $bytes bytes"
        most=65536
        [ "$name" != libunx-engine ] || most=81920
        [ "$bytes" -le "$most" ] || return 1
        for needed in $(readelf -d "$build/src/$name.so" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'); do
            case $name:$needed in
            *:libc.so* | *:libc.musl* | *:ld-* | libunx-service:libunx.so.* | libunx-data:libunx.so.* | libunx-engine:libunx.so.* | libunx-engine:liburing.so.*) ;;
            *)
                echo "$name needs $needed"
                return 1
                ;;
            esac
        done
    done
}

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM

check "the tree builds in $build" made
check 'layers, and who calls the system' python3 scripts/lint_layers.py . "$build"
check 'headers, version script, library and manual name the same functions' \
    python3 scripts/lint_symbols.py . "$build"
check 'each header alone, as C11, C17, C++11, C++20, gcc and clang' headers
check 'manual pages' python3 scripts/lint_man.py .
check 'formatting of C' formatted
check 'licence lines, lengths, white space, words' text
check 'tests that are named in the documents' python3 scripts/lint_tests.py .
check 'shell scripts' shell
check 'size of the libraries, and what they need' size
check 'stack' python3 scripts/lint_stack.py .

exit "$failed"
