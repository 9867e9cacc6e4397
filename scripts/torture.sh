#!/bin/sh
# SPDX-License-Identifier: MIT
# Torture: every test again and again, each time with one system call failing, and the command unx likewise.
#
# usage: scripts/torture.sh BUILD-FOLDER
#
# As it is, this takes a sample: EACH=4 of the calls that have the same place in the library and in the test, and CASE_SECONDS=15
# for one case; what does not fit is counted at the end. EACH=0 is the complete run: every call and every error of its
# manual page, without a limit of time unless CASE_SECONDS is given.
# JOBS=2.  PROGRAMS="socket bind": only these.  Prints each fault with the line that repeats it. Exit status 1 if there was one.
set -eu
build=${1:?usage: scripts/torture.sh BUILD-FOLDER}
here=$(dirname "$0")/../test/torture
programs=$build/test/torture
if [ -n "${PROGRAMS-}" ]; then
    programs=
    for name in $PROGRAMS; do
        programs="$programs $build/test/torture/torture_$name"
    done
fi
status=0
each=${EACH-4}
seconds=${CASE_SECONDS-15}
if [ "$each" = 0 ] && [ -z "${CASE_SECONDS-}" ]; then
    seconds=1000000000
fi
# shellcheck disable=SC2086 # a list of words
python3 "$here/run.py" --jobs "${JOBS-2}" --log "$build/torture.log" $programs -- \
    --each "$each" --seconds "$seconds" || status=1
tool=0
python3 "$here/tool.py" --jobs "${JOBS-2}" "$build/tool/unx" || tool=$?
# 77: it has said why it cannot run here.
if [ $tool -ne 0 ] && [ $tool -ne 77 ]; then
    status=1
fi
exit $status
