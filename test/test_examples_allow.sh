#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs the examples with clients of several users, and looks at who is let in. TAP on standard output.
#
#     test/test_examples_allow.sh BUILD/examples
# shellcheck disable=SC1091,SC2154 # examples.sh sets bin, dir, here, count, failures and server
set -u

. "$(dirname "$0")/examples.sh"

allow_asks()
{
    start allow serve "$here-secret" same || return 1
    before=$(descriptors)
    equal 'own user' "$(client allow ask "$here-secret")" 'the secret is 42' || return 1
    if [ "$(id -u)" = 0 ] && setpriv --reuid 1 --regid 1 --clear-groups test -x "$bin/example_allow"; then
        equal 'another user' "$(setpriv --reuid 1 --regid 1 --clear-groups "$bin/example_allow" ask "$here-secret")" \
            refused || return 1
        seen "$dir/server" '^uid 1: refused: neither this user nor one of its groups' || return 1
        stop_server
        start allow serve "$here-secret" user:2 group:3 pidfd || return 1
        equal 'root' "$(client allow ask "$here-secret")" refused || return 1
        python3 -c 'import socket
a, b = socket.socketpair()
a.getsockopt(socket.SOL_SOCKET, 59, 256)
a.getsockopt(socket.SOL_SOCKET, 77)' 2>/dev/null || {
            echo 'SKIP this kernel has no groups or no pidfd of a peer'
            return 0
        }
        equal 'one of its groups' "$(setpriv --reuid 1 --regid 1 --groups 4,3 "$bin/example_allow" ask "$here-secret")" \
            'the secret is 42' || return 1
        equal 'the user' "$(setpriv --reuid 2 --regid 1 --clear-groups "$bin/example_allow" ask "$here-secret")" \
            'the secret is 42' || return 1
    fi
    closed_all "$before" || return 1
    exits 2 client allow serve "$here-secret" user:nobody-of-this-name || return 1
    exits 2 client allow serve "$here-secret" user:65534x
}

# A client of another user.
stranger()
{
    name=$1
    shift
    timeout $((10 * patience)) setpriv --reuid 1 --regid 1 --clear-groups "$bin/example_$name" "$@"
}

# Whoever can connect to an abstract name can do that: it is the server that sends strangers away, and serves on.
strangers()
{
    if [ "$(id -u)" != 0 ] || ! setpriv --reuid 1 --regid 1 --clear-groups test -x "$bin/example_echo"; then
        echo 'SKIP only root can be somebody else, who has to be able to run the examples'
        return 0
    fi
    for server_of in 'echo serve' 'own_poll seqpacket' service; do
        # shellcheck disable=SC2086 # a name and its first argument
        start $server_of "$here-own" || return 1
        exits 1 stranger echo ask "$here-own" hello || return 1
        equal "answer of $server_of" "$(client echo ask "$here-own" hello)" hello || return 1
        stop_server
    done
    start credentials serve "$here-own" || return 1
    exits 1 stranger credentials say "$here-own" hello || return 1
    exits 0 client credentials say "$here-own" hello || return 1
    grep -q '^credentials: somebody else: .' "$dir/server.err" || return 1
    stop_server
    echo text >"$dir/file"
    start pass_fd take "$here-own" || return 1
    stranger pass_fd give "$here-own" /etc/passwd 2>/dev/null
    client pass_fd give "$here-own" "$dir/file" || return 1
    wait "$server"
    equal 'the file that was taken' "$(tail -n 1 "$dir/server")" text || return 1
    start log_server serve "$here-own" || return 1
    echo 'not mine' | stranger log_server log "$here-own" || return 1
    echo mine | client log_server log "$here-own" || return 1
    seen "$dir/server" ': mine$' || return 1
    equal 'lines of the log' "$(grep -c ' uid ' "$dir/server")" 1
}

check 'allow: users, groups, others' allow_asks
check 'strangers are sent away' strangers
echo "1..$count"
[ "$failures" = 0 ]
