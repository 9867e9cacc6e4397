#!/bin/sh
# SPDX-License-Identifier: MIT
# The command unx, from outside: descriptors that travel, and programs that answer.
#
#     test/test_tool_fds.sh PATH-TO-UNX [CASE...]
#
# shellcheck disable=SC1091,SC2086,SC2154,SC2317,SC2329 # tool_lib.sh has the variables, and calls the cases
set -u

. "$(dirname "$0")/tool_lib.sh"

# ---- descriptors ----

fd_through_program()
{
    echo secret >file
    for type in seqpacket stream dgram; do
        server listen $name --type $type -- sh -c 'cat; cat <&3'
        echo data | expects 0 "$unx" send $name --type $type --fd file --reply >reply
        same "$(tr '\n' ' ' <reply)" 'data secret ' $type
        stopped 0
        has "^  fd 0: file .*/file, 7 bytes, mode 06[0-9][0-9], read-only$" out
    done
}

fd_number()
{
    echo secret >file
    exec 7<file
    server listen $name -- sh -c 'cat <&3'
    expects 0 "$unx" send $name --data x --fd 7 --reply >reply
    same "$(cat reply)" secret reply
    # The offset is shared with whoever has the same open file.
    same "$(cat <&7)" '' 'offset'
    stopped 0
}

# One that the shell has closed is not open, whatever is at its number since.
fd_closed()
{
    for fd in 0 1 2; do
        # shellcheck disable=SC2016
        expects 2 sh -c 'eval "exec $3>&-"; exec "$1" send "$2" --data x --fd "$3"' sh "$unx" $name $fd
    done
}

fd_253()
{
    echo secret >file
    args=
    for _ in $(seq 253); do args="$args --fd file"; done
    # shellcheck disable=SC2016
    server listen $name -- sh -c 'echo $LISTEN_FDS; cat /proc/self/fd/255'
    # shellcheck disable=SC2086 # a list of words
    expects 0 "$unx" send $name --data x $args --reply >reply
    same "$(tr '\n' ' ' <reply)" '253 secret ' reply
    # shellcheck disable=SC2086
    expects 2 "$unx" send $name --data x $args --fd file
    has 'at most 253 descriptors' cerr
    stopped 0
    has '^message 1 .*, 253 descriptors$' out
    has '^  fd 252: file ' out
}

fd_kinds()
{
    python3 -c 'import os
os.memfd_create("x"), os.pidfd_open(os.getpid())' 2>/dev/null || skip 'this kernel has no pidfds, or no files of memory'
    server listen $name
    python3 -c '
import os, socket, subprocess, sys, select
a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
t = socket.socket()
e = select.epoll()
f = os.open("gone", os.O_RDWR | os.O_CREAT, 0o600); os.write(f, b"abc"); os.unlink("gone")
fds = [a.fileno(), t.fileno(), os.pipe()[1], os.memfd_create("mem"), os.eventfd(0) if hasattr(os, "eventfd") else os.memfd_create("x"),
       os.open(".", os.O_PATH), os.pidfd_open(os.getpid()), f, os.open("/dev/null", os.O_RDWR), e.fileno()]
args = [x for fd in fds for x in ("--fd", str(fd))]
sys.exit(subprocess.call([sys.argv[1], "send", sys.argv[2], "--data", "x"] + args, pass_fds=fds))' "$unx" $name || fail send
    until_true grep -q '^  fd 8' out
    stopped 0
    has '^  fd 0: socket, unix seqpacket, read-write$' out
    has '^  fd 1: socket, inet stream, read-write$' out
    has '^  fd 2: pipe, write-only$' out
    has '^  fd 3: memfd /memfd:mem, 0 bytes, mode 0777, read-write$' out
    has '^  fd 5: directory /.*, path-only$' out
    has '^  fd 6: pidfd' out
    has '^  fd 7: file /.*/gone (deleted), 3 bytes, mode 0600, read-write$' out
    has '^  fd 9: epoll, read-write$' out
    has '^  fd 8: character-device /dev/null, mode 0666, read-write$' out
}

fds_refused()
{
    need_refusal
    for type in seqpacket stream dgram; do
        server listen $name --type $type --no-fds
        expects 4 "$unx" send $name --type $type --data x --fd /etc/passwd
        has 'refuses descriptors' cerr
        expects 0 "$unx" send $name --type $type --data x
        until_true grep -q '^message 1' out
        stopped 0
    done
    server listen $name
    expects 4 "$unx" connect $name --fd /etc/passwd </dev/null
    has 'no descriptor either' cerr
    stopped 0
}

# As above, where the kernel cannot refuse: the message is dropped, and that is said.
fds_refused_by_an_older_kernel()
{
    need strace
    strace -o /dev/null true 2>/dev/null || skip 'no tracing here'
    rm -f err
    # The leak check of a sanitizer cannot be traced.
    ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 strace -D -f -o trace -e trace=setsockopt -e inject=setsockopt:error=ENOPROTOOPT:when=1 \
        "$unx" listen $name --no-fds >out 2>err &
    pid=$!
    pids="$pids $pid"
    until_true grep -q listening err
    expects 0 "$unx" send $name --data x --fd /etc/passwd
    expects 0 "$unx" send $name --data y
    until_true grep -q '"y"' out
    stopped 4
    has 'came with descriptors, which --no-fds refuses; dropped' err
    hasnt '"x"' out
}

fds_with_a_reply()
{
    need_refusal
    peer_behind seqpacket $name 's.bind(at); s.listen(); print("listening", flush=True)
for i in range(3):
    c, _ = s.accept()
    c.recv(10)
    try:
        socket.send_fds(c, [b"r"], [0, 1])
    except PermissionError:
        c.send(b"refused")'
    until_true grep -q listening peer
    expects 4 "$unx" send $name --data x --reply >reply
    same "$(cat reply)" r reply
    same "$(grep -c 'a descriptor came that nothing here takes' cerr)" 2 said
    same "$("$unx" send $name --data x --reply --json | json 'len(o["fds"])')" 2 json
    expects 0 "$unx" send $name --data x --reply --no-fds >reply
    same "$(cat reply)" refused reply
}

fds_lost()
{
    # shellcheck disable=SC3045
    ulimit -S -n 20
    server listen $name
    args=
    for _ in $(seq 7); do args="$args --fd /etc/passwd"; done
    # shellcheck disable=SC2086
    expects 0 "$unx" send $name --data x $args
    until_true grep -q '"x"' out
    # These had room beside one connection; nine have none beside seven, and another connection has.
    peer_behind seqpacket $name 'r = [socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(6)]
for c in r: c.connect(at)
s.connect(at); socket.send_fds(s, [b"lost"], [0] * 9)
s.settimeout(15); s.recv(1)'
    until_true grep -q 'could not be installed' err
    expects 0 "$unx" send $name --data after
    until_true grep -q '"after"' out
    stopped 4
    hasnt '"lost"' out
}

program_gets_nothing_else()
{
    exec 9</etc/passwd
    server listen $name -- ls /proc/self/fd
    exec 9<&-
    peer_behind seqpacket $name 's.connect(at); time.sleep(15)'
    expects 0 "$unx" send $name --data x --fd /etc/passwd --fd / --reply >reply
    # The last one is the directory that ls(1) reads.
    same "$(tr '\n' ' ' <reply)" '0 1 2 3 4 5 ' descriptors
    stopped 0
}

# ---- programs ----

program_environment()
{
    # What the server has of these itself is not passed on.
    LISTEN_FDS=9 LISTEN_PID=1 LISTEN_FDNAMES=wrong UNX_PEER_ADDR=wrong
    export LISTEN_FDS LISTEN_PID LISTEN_FDNAMES UNX_PEER_ADDR
    # shellcheck disable=SC2016
    server listen $name -- sh -c 'echo $$ $LISTEN_PID; echo $UNX_PEER_PID $UNX_PEER_UID $UNX_PEER_GID; echo $UNX_PEER_ADDR
        echo ${LISTEN_FDS-none} ${LISTEN_FDNAMES-none}'
    unset LISTEN_FDS LISTEN_PID LISTEN_FDNAMES UNX_PEER_ADDR
    expects 0 "$unx" send $name --data x --reply >reply
    same "$(sed -n 3p reply)" '' 'no address'
    # With --cred the kernel gives the client a name.
    expects 0 "$unx" send $name --data x --reply --cred >reply
    # shellcheck disable=SC2046
    set -- $(sed -n 1p reply)
    same "$#" 1 'no LISTEN_PID without descriptors'
    # shellcheck disable=SC2046
    set -- $(sed -n 2p reply)
    same "$2 $3" "$(id -u) $(id -g)" ids
    grep -q '^@' reply || fail 'no address'
    same "$(sed -n 4p reply)" 'none none' 'without descriptors'
    expects 0 "$unx" send $name --data x --fd /etc/passwd --fd / --reply >reply
    # shellcheck disable=SC2046
    set -- $(sed -n 1p reply)
    same "$1" "$2" LISTEN_PID
    same "$(sed -n 4p reply)" '2 file:directory' 'with descriptors'
    stopped 0
}

program_signals()
{
    # SIGPIPE is 13: a program that is not told by it that nobody reads goes on for ever.
    server listen $name -- sed -n '/^SigBlk/p; /^SigIgn/p' /proc/self/status
    expects 0 "$unx" send $name --data x --reply >reply
    has '^SigBlk:[[:space:]]*0*$' reply
    grep -Eq '^SigIgn:.*[02468ace][0-9a-f]{3}$' reply || fail "$(cat reply)"
    stopped 0
}

program_fails()
{
    server listen $name -- sh -c 'cat; exit 3'
    expects 5 "$unx" send $name --data x --reply
    stopped 8
    has 'sh ended with status 3' err
    server listen $name -- ./nosuch
    expects 5 "$unx" send $name --data x --reply
    stopped 8
    has 'cannot be run' err
    # shellcheck disable=SC2016
    server listen $name -- sh -c 'kill -9 $$'
    expects 5 "$unx" send $name --data x --reply
    stopped 8
    has 'signal 9' err
    server listen $name --max 1000 -- yes
    expects 5 "$unx" send $name --data x --reply
    stopped 3
    has 'printed more than the 1000 bytes' err
    server listen $name -- head -c 5000000 /dev/zero
    expects 5 "$unx" send $name --data x --reply
    stopped 3
    has 'a packet of 5000000 bytes is' err
}

program_that_prints_nothing()
{
    # shellcheck disable=SC2016
    server listen $name -- sh -c 'read -r x; [ "$x" = silent ] || echo "got $x"'
    printf 'silent\nloud\n' | expects 0 "$unx" connect $name --lines >reply
    same "$(cat reply)" 'got loud' reply
    stopped 0
}

program_need_not_read()
{
    server listen $name -- echo ready
    head -c 200000 /dev/zero | expects 0 "$unx" send $name --reply >reply
    same "$(cat reply)" ready reply
    stopped 0
}

program_large_both_ways()
{
    head -c 200000 /dev/urandom >data
    server listen $name -- cat
    expects 0 "$unx" send $name --reply <data >reply
    cmp data reply || fail reply
    stopped 0
}

programs_run_side_by_side()
{
    mkfifo go
    # shellcheck disable=SC2016
    server listen $name -- sh -c 'read -r x; if [ "$x" = slow ]; then cat go; else echo "$x"; fi'
    "$unx" send $name --data slow --reply >slow.reply &
    slow=$!
    pids="$pids $slow"
    until_true grep -q '"slow"' out
    expects 0 "$unx" send $name --data fast --reply >reply
    same "$(cat reply)" fast reply
    before=$(ticks "$pid")
    [ ! -s slow.reply ] || fail 'too early'
    [ "$before" -lt 50 ] || fail "$before ticks"
    echo 'done' >go
    wait $slow || fail slow
    same "$(cat slow.reply)" 'done' slow
    stopped 0
}

program_ends_with_the_server()
{
    # shellcheck disable=SC2016
    server listen $name -- sh -c 'echo $$ >program; exec sleep 30'
    expects 0 "$unx" send $name --data x
    until_true test -s program
    stopped 0
    until_true gone "$(cat program)"
}

no_spin_while_a_program_runs()
{
    mkfifo go
    server listen $name -- cat go
    # The client has gone when its program still runs: its hang-up must not be looked at again and again.
    expects 0 "$unx" send $name --data x
    until_true grep -q '"x"' out
    before=$(ticks "$pid")
    sleep 0.5
    [ $(($(ticks "$pid") - before)) -lt 10 ] || fail "$(($(ticks "$pid") - before)) ticks"
    echo late >go
    until_true grep -q 'the peer has closed' err
    stopped 5
}

recv_program()
{
    echo secret >file
    # shellcheck disable=SC2016
    server recv $name --count 2 -- sh -c 'cat; [ -z "${LISTEN_FDS-}" ] || cat <&3'
    expects 0 "$unx" send $name --data 'one ' --fd file
    expects 0 "$unx" send $name --data 'two '
    ended 0
    grep -q 'one secret' out || fail one
    grep -q 'two ' out || fail two
    server recv $name -- false
    expects 0 "$unx" send $name --data x
    ended 8
    server recv $name --type stream -- wc -c
    head -c 1000000 /dev/zero | expects 0 "$unx" send $name --type stream
    ended 0
    same "$(cat out)" 1000000 'the whole stream'
    # One after the other, in the order of the messages.
    server recv $name --count 3 -- sh -c 'cat; sleep 0.1; echo .'
    for i in 1 2 3; do expects 0 "$unx" send $name --data $i; done
    ended 0
    same "$(tr '\n' ' ' <out)" '1. 2. 3. ' order
}

run_cases
