#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs the example of a service for real: by itself, and started by managers. TAP on standard output.
#
#     test/test_examples_service.sh BUILD/examples
# shellcheck disable=SC1091,SC2154 # examples.sh sets bin, dir, here, count, failures and server
set -u

. "$(dirname "$0")/examples.sh"

# asks WHAT: the echo that listens here answers.
asks()
{
    equal "answer to $1" "$(client echo ask "$here-svc" "$1")" "$1"
}

service_alone()
{
    start service "$here-svc" || return 1
    before=$(descriptors)
    asks hello || return 1
    asks '' || return 1
    closed_all "$before" || return 1
    equal 'complaints' "$(cat "$dir/server.err")" '' || return 1
    exits 1 client service || return 1
    exits 2 client service too many || return 1
    LISTEN_PID=x LISTEN_FDS=1 exits 1 client service "$here-other" || return 1
    grep -q '^service: no socket to listen on: misuse' "$dir/err"
}

# It is started by the first client, lives as long as it shows up, and is started again when it has ended.
service_managed()
{
    start manager "$here-svc" "$bin/example_service" || return 1
    sleep 0.3
    equal 'started without a client' "$(grep -c '^ready' "$dir/server")" 0 || return 1
    asks first || return 1
    seen "$dir/server" '^status: 1 served, the last one said: first$' || return 1
    sleep 5
    equal 'ended' "$(grep -c 'has ended' "$dir/server")" 0 || return 1
    asks second || return 1
    seen "$dir/server" '^status: 2 served, the last one said: second$' || return 1
    service=$(ps -o pid= --ppid "$server") || return 1
    # shellcheck disable=SC2086
    kill -KILL $service
    asks third || return 1
    seen "$dir/server" '^status: 1 served, the last one said: third$' || return 1
    equal 'starts' "$(grep -c '^ready$' "$dir/server")" 2
}

service_hangs()
{
    start manager "$here-svc" "$bin/example_service" || return 1
    asks first || return 1
    seen "$dir/server" '^status: 1 served' || return 1
    service=$(ps -o pid= --ppid "$server") || return 1
    # shellcheck disable=SC2086
    kill -STOP $service
    seen "$dir/server" '^no sign of life$' || return 1
    asks second || return 1
    seen "$dir/server" '^status: 1 served, the last one said: second$' || return 1
    kill "$server"
    wait "$server"
    equal 'status of the manager' $? 0 || return 1
    server=
}

service_under_systemd()
{
    if ! command -v systemd-socket-activate >"$dir/out"; then
        echo 'SKIP systemd-socket-activate is not installed'
        return 0
    fi
    systemd-socket-activate --seqpacket -l "$here-svc" "$bin/example_service" >"$dir/server" 2>"$dir/server.err" &
    server=$!
    seen "$dir/server.err" 'Listening on' || return 1
    asks hello || return 1
    asks again || return 1
    seen "$dir/server" '^listening$'
}

check 'service: by itself' service_alone
check 'service: started by a manager' service_managed
check 'service: a hanging one is started again' service_hangs
check 'service: started by systemd-socket-activate' service_under_systemd
echo "1..$count"
[ "$failures" = 0 ]
