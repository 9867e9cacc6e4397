#!/bin/sh
# SPDX-License-Identifier: MIT
# The command unx together with other programs, from outside: what the C programs beside this do with the library.
# socat is in ../test_tool_end.sh, systemd's activator in ../test_tool_activate.sh.
#
#     test/interop/command.sh PATH-TO-UNX [CASE...]
#
# What surprised us: a program of s6 takes the number of a descriptor and can be the program of `unx recv` as it is.
#
# shellcheck disable=SC1091,SC2086,SC2154,SC2317,SC2329 # tool_lib.sh has the variables, and calls the cases
set -u

. "$(dirname "$0")/../tool_lib.sh"

# A peer in the background; its output goes to the file theirs.
theirs()
{
    "$@" >theirs 2>theirs.err &
    theirs=$!
    pids="$pids $theirs"
}
theirs_ended() { until_true gone_or_zombie "$theirs"; wait "$theirs"; same $? "$1" "status of the peer"; }

nc_as_client()
{
    need nc.openbsd
    head -c 100000 /dev/urandom >data
    server listen ./s --type stream -- cat
    client nc.openbsd -NU ./s <data >reply
    cmp data reply || fail reply
    stopped 0
    server recv ./d --type dgram --json
    printf 'one datagram' | client nc.openbsd -uU -q 0 ./d
    ended 0
    same "$(json 'o["data"]' <out)" 'one datagram' datagram
}

nc_as_server()
{
    need nc.openbsd
    head -c 100000 /dev/urandom >data
    theirs nc.openbsd -lUN ./s
    until_true test -S s
    # Its file is there before it listens.
    # shellcheck disable=SC2016
    until_true sh -c '"$1" send ./s --type stream <data' sh "$unx"
    theirs_ended 0
    cmp data theirs || fail theirs
}

# A syslog line has a time in it; the rest is ours.
logger_as_client()
{
    need logger
    server recv ./s --type dgram --json
    theirs logger -d -u ./s -t us --rfc3164 'a line'
    theirs_ended 0
    ended 0
    case $(json 'o["data"]' <out) in
    '<13>'*' us: a line') ;;
    *) fail 'the line' ;;
    esac
    same "$(json 'o["sender"]["uid"]' <out)" "$(id -u)" sender
}

start_fdholder()
{
    need s6-fdholder-daemon
    mkdir -p "rules/uid/$(id -u)/env"
    : >"rules/uid/$(id -u)/allow"
    for v in STORE_REGEX RETRIEVE_REGEX; do printf . >"rules/uid/$(id -u)/env/S6_FDHOLDER_$v"; done
    printf 1 >"rules/uid/$(id -u)/env/S6_FDHOLDER_LIST"
    mkfifo ready
    s6-fdholder-daemon -1 -i rules ./fdh >ready &
    pids="$pids $!"
    read -r _ <ready
}

# A descriptor that came through unx is kept by s6, and one that s6 kept goes through unx.
fdholder_keeps_what_unx_brought()
{
    start_fdholder
    echo kept >file
    server recv $name -- s6-fdholder-store -d 3 ./fdh one
    expects 0 "$unx" send $name --data x --fd file
    ended 0
    same "$(s6-fdholder-list ./fdh)" one list
    same "$(s6-fdholder-retrieve -D ./fdh one cat)" kept 'taken out by s6'
    s6-fdholder-store -d 0 ./fdh two <file || fail store
    # shellcheck disable=SC2016
    server recv $name -- sh -c 'cat <&3'
    expects 0 s6-fdholder-retrieve -D ./fdh two "$unx" send $name --data x --fd 0
    ended 0
    grep -q kept out || fail 'taken out by unx'
    same "$(s6-fdholder-list ./fdh)" '' 'nothing left'
}

ipcclient_as_client()
{
    need s6-ipcclient
    server listen ./s --type stream -- tr a-z A-Z
    # shellcheck disable=SC2016
    theirs s6-ipcclient ./s python3 -c 'import os, socket
socket.socket(fileno=os.dup(7)).sendall(b"hello")
socket.socket(fileno=os.dup(7)).shutdown(socket.SHUT_WR)
print(os.read(6, 100).decode())'
    theirs_ended 0
    same "$(cat theirs)" HELLO reply
    stopped 0
}

ipcserver_as_server()
{
    need s6-ipcserver
    mkfifo ready
    # shellcheck disable=SC2016
    s6-ipcserver -1 ./s sh -c 'exec 2>&1; echo $PROTO $IPCREMOTEEUID; exec cat' >ready &
    pids="$pids $!"
    read -r _ <ready
    printf 'hello' | expects 0 "$unx" connect ./s --type stream >reply
    same "$(cat reply)" "IPC $(id -u)
hello" reply
}

proxy_behind_activate()
{
    proxy=/usr/lib/systemd/systemd-socket-proxyd
    [ -x $proxy ] || proxy=/lib/systemd/systemd-socket-proxyd
    [ -x $proxy ] || skip 'no systemd-socket-proxyd here'
    server listen ./back --type stream --echo
    server activate $name --type stream -- $proxy "$PWD/back"
    # It forgets the rest when one side has ended, so this one ends with the answer.
    : >reply
    # shellcheck disable=SC2094 # that is the point
    { printf 'through it'; until_true test -s reply; } | expects 0 "$unx" connect $name --type stream >reply
    same "$(cat reply)" 'through it' reply
    became "$pid" || fail 'unx has not become the proxy'
}

run_cases theirs theirs_ended start_fdholder
