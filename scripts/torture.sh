#!/bin/sh
# SPDX-License-Identifier: MIT
# Torture: every test again and again, each time with one system call failing, and the command unx likewise.
#
# usage: scripts/torture.sh BUILD-FOLDER
#
# As it is, this takes a sample: EACH=4 of the calls that come from the same place (the library's and the test's functions that
# have called it), and CASE_SECONDS=15 for one case; what does not fit is counted at the end.
# EACH=0 leaves no place and no error of its manual page out: of a place with up to 6 calls all of them, of others the first two
# and the last two with every error, and 24 more that are spread evenly, each with the next error in turn; without a limit of
# time unless CASE_SECONDS is given. All calls with all errors would be 24 million, nearly all of them from loops.
# JOBS=2.  PROGRAMS="socket bind tool": only these; tool (or unx) is the command, with each failure of its system calls, which
# takes some minutes.  Prints each fault with the line that repeats it, and what is not in it, and why.
# Exit status 1 if there was a fault.
set -eu
build=${1:?usage: scripts/torture.sh BUILD-FOLDER}
here=$(dirname "$0")/../test/torture
programs=$build/test/torture
tool=yes
if [ -n "${PROGRAMS-}" ]; then
    programs=
    tool=
    for name in $PROGRAMS; do
        case $name in
        tool | unx) tool=yes ;;
        *) programs="$programs $build/test/torture/torture_$name" ;;
        esac
    done
fi
status=0
which="--each ${EACH-4}"
seconds=${CASE_SECONDS-15}
if [ "${EACH-4}" = 0 ]; then
    which=--whole
    seconds=${CASE_SECONDS-1000000000}
fi
if [ -n "$programs" ]; then
    # shellcheck disable=SC2086 # lists of words
    python3 "$here/run.py" --jobs "${JOBS-2}" --log "$build/torture.log" $programs -- \
        $which --seconds "$seconds" || status=1
fi
if [ -n "$tool" ]; then
    ended=0
    python3 "$here/tool.py" --jobs "${JOBS-2}" "$build/tool/unx" || ended=$?
    # 77: it has said why it cannot run here.
    if [ $ended -ne 0 ] && [ $ended -ne 77 ]; then
        status=1
    fi
fi
exit $status
