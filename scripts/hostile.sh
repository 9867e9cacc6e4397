#!/bin/sh
# SPDX-License-Identifier: MIT
# Hostile peers for longer: every known attack on servers of three designs, on the command unx and on examples, with a well-behaved
# client beside them; one line for each attack. Exit status 1 if one of them harmed a server or its client.
#
# usage: scripts/hostile.sh BUILD-FOLDER [SECONDS]        2 seconds for each attack; SERVERS="epoll echo": only these
set -eu
build=${1:?usage: scripts/hostile.sh BUILD-FOLDER [SECONDS]}
HOSTILE_MS=$(awk -v s="${2:-2}" 'BEGIN { printf "%d", s * 1000 }')
HOSTILE_TOOL=$build/tool
HOSTILE_EXAMPLES=$build/examples
export HOSTILE_MS HOSTILE_TOOL HOSTILE_EXAMPLES
log=$(mktemp)
trap 'rm -f "$log"' EXIT
trap 'exit 1' HUP INT TERM
failed=0

# told WHAT COMMAND... : what it prints behind "# ", and which of its cases failed.
told()
{
    what=$1
    shift
    status=0
    "$@" >"$log" 2>&1 || status=$?
    sed -n 's/^# /    /p; s/^not ok [0-9]* - /    FAILED: /p' "$log"
    [ "$status" = 0 ] || { echo "    $what: exit status $status"; failed=1; }
}

echo "For each server, by attack: round trips in microseconds (median unattacked, median attacked, slowest attacked) of what it serves,"
echo "of packets | stream | notification | new connection; its memory in KiB and its descriptors (before, most, after); attempts."
for server in ${SERVERS:-nonblocking few threads io_uring epoll poll unx_io_uring unx_epoll unx_stream unx_dgram unx_recv own_poll own_poll_stream echo}; do
    echo "== $server"
    told "$server" "$build/test/hostile/hostile" "$server"
done
echo "== names, successors, environment"
told names "$build/test/hostile/hostile_place"
told successors "$build/test/hostile/hostile_successor"
exit "$failed"
