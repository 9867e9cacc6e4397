#!/bin/sh
# SPDX-License-Identifier: MIT
# The command unx, from outside: addresses, and who else is there already.
#
#     test/test_tool_address.sh PATH-TO-UNX [CASE...]
#
# shellcheck disable=SC1091,SC2086,SC2154,SC2317,SC2329 # tool_lib.sh has the variables, and calls the cases
set -u

. "$(dirname "$0")/tool_lib.sh"

# ---- addresses in use ----

long_paths()
{
    dir=$(printf '%0150d' 0)/$(printf '%0150d' 1)
    mkdir -p "$dir"
    for type in seqpacket stream dgram; do
        lines=--lines
        [ $type != stream ] || lines=
        server listen "$dir/s" --type $type --echo
        expects 0 "$unx" send "$dir/s" --type $type --data "$type" --reply >reply
        same "$(cat reply)" $type reply
        : >reply
        # A datagram has no end: this one ends with the answer.
        # shellcheck disable=SC2094 # that is the point
        { echo x; until_true test -s reply; } | expects 0 "$unx" connect "$(pwd)/$dir/s" --type $type $lines >reply
        same "$(cat reply)" x connect
        [ $type = dgram ] || expects 0 "$unx" peer "$dir/s" --type $type
        client "$unx" listen "$dir/s" --type $type 2>cerr
        same "$status" 1 'the same again'
        has 'somebody serves there now' cerr
        stopped 0
        [ ! -e "$dir/s" ] || fail 'the file stays'
    done
    server recv "$dir/$(printf '%0250d' 2)"
    expects 0 "$unx" send "$dir/$(printf '%0250d' 2)" --data long
    ended 0
    has '"long"' out
}

binary_names()
{
    binary="$name\\x00\\x01\\xff\\n"
    server recv "$binary"
    expects 6 "$unx" send "$name\\x00\\x01\\xff" --data x
    expects 0 "$unx" send "$binary" --data x
    ended 0
    server recv ./@x
    [ -S @x ] || fail 'no file @x'
    expects 0 "$unx" send ./@x --data x
    ended 0
}

taken()
{
    server listen ./s
    expects 1 "$unx" listen ./s
    has 'somebody serves there now' cerr
    expects 0 "$unx" peer ./s
    kill -9 "$pid"
    until_true gone_or_zombie "$pid"
    [ -S s ] || fail 'no file'
    echo text >f
    expects 1 "$unx" recv ./f
    has 'is no socket' cerr
    same "$(cat f)" text 'the file'
    ln -s /nowhere l
    expects 1 "$unx" listen ./l
    expects 1 "$unx" listen ./nodir/s
    has 'its directory does not exist' cerr
    server listen $name
    expects 1 "$unx" listen $name
    has 'somebody has this name already' cerr
    stopped 0
    # A datagram server is found out without a datagram, and a full backlog is not nobody.
    server listen ./d --type dgram
    expects 1 "$unx" listen ./d
    has 'somebody serves there now' cerr
    stopped 0
    [ ! -s out ] || fail 'it got something'
    peer_behind seqpacket ./full 's.bind(at); s.listen(0)
c = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); c.connect(at); print("listening", flush=True); time.sleep(15)'
    until_true grep -q listening peer
    expects 1 "$unx" listen ./full
    has 'somebody serves there now' cerr
    expects 7 "$unx" send ./full --data x --timeout 100
}

# What a server left behind that was killed is taken over; what somebody serves is not, at whatever time two of them start.
stale_is_taken_over()
{
    for type in seqpacket stream dgram; do
        rm -f s
        server listen ./s --type $type --echo
        kill -9 "$pid"
        ended 137
        [ -S s ] || fail 'no file'
        expects 6 "$unx" send ./s --type $type --data x
        server listen ./s --type $type --echo --mode 0606
        same "$(stat -c %a s)" 606 mode
        expects 0 "$unx" send ./s --type $type --data x --reply >reply
        same "$(cat reply)" x "$type"
        stopped 0
        [ ! -e s ] || fail 'the file stays'
    done
    # recv too, also when what is there is of another type.
    server listen ./s
    kill -9 "$pid"
    ended 137
    server recv ./s --type stream
    expects 0 "$unx" send ./s --type stream --data x
    ended 0
    [ ! -e s ] || fail 'the file stays'
}

starters_at_once()
{
    python3 -c 'import socket; socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET).bind("s")'
    for i in 1 2 3 4 5 6 7 8; do
        "$unx" listen ./s --echo >out.$i 2>err.$i &
        pids="$pids $!"
    done
    decided() { [ "$(cat err.* | grep -Ec 'listening|EADDRINUSE')" = 8 ]; }
    until_true decided
    same "$(cat err.* | grep -c listening)" 1 'servers'
    same "$(cat err.* | grep -c 'somebody serves there now')" 7 'refused'
    expects 0 "$unx" send ./s --data x --reply >reply
    same "$(cat reply)" x reply
    same "$(find . -type s | wc -l | tr -d ' ')" 1 'socket files'
}

successor_keeps_its_file()
{
    server listen ./s
    # Somebody else put another socket there: it is not ours to remove.
    mv s old
    first=$pid
    server listen ./s --echo
    second=$pid
    pid=$first
    stopped 0
    expects 0 "$unx" send ./s --data x --reply >reply
    same "$(cat reply)" x reply
    pid=$second
    stopped 0
    [ ! -e s ] || fail 'the file stays'
}

file_removed()
{
    for signal in TERM INT HUP; do
        rm -f err
        # A shell makes its background jobs ignore SIGINT, nohup(1) SIGHUP, and unx leaves that as it is.
        python3 -c 'import os, signal, sys
for s in signal.SIGINT, signal.SIGHUP, signal.SIGTERM: signal.signal(s, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])' "$unx" listen ./s >out 2>err &
        pid=$!
        pids="$pids $pid"
        until_true grep -q listening err
        [ -S s ] || fail 'no file'
        kill -$signal "$pid"
        ended 0
        [ ! -e s ] || fail "it stays after $signal"
    done
    server listen ./s --once
    expects 0 "$unx" send ./s --data x
    ended 0
    [ ! -e s ] || fail 'it stays after --once'
    server recv ./s
    kill -TERM "$pid"
    ended 143
    [ ! -e s ] || fail 'it stays after recv'
    server listen ./s
    rm s
    echo mine >s
    stopped 0
    same "$(cat s)" mine 'the file of somebody else'
}

mode_of_the_file()
{
    umask 077
    for mode in 0666 0600 0000 0640; do
        server listen ./s --mode $mode
        same "$(stat -c %a s)" "$(printf '%o' 0$mode)" mode
        stopped 0
    done
    umask 027
    server listen ./s
    same "$(stat -c %a s)" 750 umask
    stopped 0
}

once()
{
    server listen $name --once --echo
    mkfifo in
    "$unx" connect $name --lines <in >first 2>first.err &
    first=$!
    pids="$pids $first"
    exec 8>in
    echo one >&8
    until_true grep -q one first
    expects 6 "$unx" send $name --data two
    exec 8>&-
    wait $first || fail "first: $(cat first.err)"
    ended 0
    server listen $name --once --type dgram
    expects 0 "$unx" send $name --type dgram --data x
    ended 0
    same "$(grep -c '^message' out)" 1 messages
}

run_cases
