#!/bin/sh
# SPDX-License-Identifier: MIT
# The command unx, from outside: unx listen with thousands of clients, on every engine. Nobody waits for somebody else, and
# nothing grows.
#
#     test/test_tool_many.sh PATH-TO-UNX [CASE...]
#
# shellcheck disable=SC1091,SC2086,SC2154,SC2317,SC2329 # tool_lib.sh has the variables, and calls the cases
set -u
# With it set, memory that nobody uses is written, and measured.
unset MALLOC_PERTURB_

. "$(dirname "$0")/tool_lib.sh"
. "$(dirname "$0")/tool_clients.sh"

# ---- cases ----

engine_by_name()
{
    expects 2 "$unx" listen $name --engine kqueue
    has 'there are io_uring, epoll and poll' cerr
    server listen $name --engine poll
    # It has no descriptor of its own.
    ! find "/proc/$pid/fd" -lname 'anon_inode:\[eventpoll\]' -o -lname 'anon_inode:\[io_uring\]' | grep . || fail 'not poll'
    stopped 0
    server listen $name --engine epoll
    find "/proc/$pid/fd" -lname 'anon_inode:\[eventpoll\]' | grep -q . || fail 'not epoll'
    stopped 0
    if works io_uring; then
        server listen $name
        find "/proc/$pid/fd" -lname 'anon_inode:\[io_uring\]' | grep -q . || fail 'not io_uring'
        stopped 0
    fi
}

# Where io_uring is forbidden, as it is in many containers, and where there is no epoll either.
engine_that_is_forbidden()
{
    need strace
    strace -o /dev/null true 2>/dev/null || skip 'no tracing here'
    for without in io_uring_setup:eventpoll io_uring_setup,epoll_create1:-; do
        rm -f err
        ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 strace -D -f -o trace -e trace="${without%:*}" \
            -e inject="${without%:*}:error=EPERM" "$unx" listen $name --echo >out 2>err &
        pid=$!
        pids="$pids $pid"
        until_true grep -q listening err
        expects 0 "$unx" send $name --data x --reply >reply
        same "$(cat reply)" x "without ${without%:*}"
        same "$(find "/proc/$pid/fd" -lname "anon_inode:\\[${without#*:}\\]" | wc -l | tr -d ' ')" \
            "$([ "${without#*:}" = - ] && echo 0 || echo 1)" "descriptor of ${without#*:}"
        stopped 0
    done
    ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 strace -f -o trace -e trace=io_uring_setup \
        -e inject=io_uring_setup:error=EPERM "$unx" listen $name --engine io_uring 2>err
    same $? 1 status
    has '--engine io_uring: does not work here (EOPNOTSUPP)' err
}

# One that never reads and one that never writes are there all the time.
thousands_of_clients()
{
    room_for 4100
    for type in seqpacket stream; do
        server listen $name --echo --type $type --engine $engine
        at_rest $type
        load_behind $type $name 'deaf, silent = new(), new()
fill(deaf, 1000)
print("ready", flush=True)
until_gone(deaf)'
        said ready
        load $type $name 'ss = [new() for i in range(2000)]
for k in range(3):
    for i, s in enumerate(ss): s.send(b"<%d.%d>" % (i, k))
for i, s in enumerate(ss): echoes(s, [b"<%d.%d>" % (i, k) for k in range(3)])'
        comes_to $((before + 2))
        sanitized || [ "$(awk '/VmHWM/ { print $2 }' "/proc/$pid/status")" -lt 65536 ] ||
            fail "$(grep VmHWM "/proc/$pid/status")"
        kill "$peer"
        comes_to "$before"
        # The deaf one had more to come.
        stopped 5
        same "$(grep -o '<[0-9]*\.[0-9]>' out | sort -u | wc -l | tr -d ' ')" 6000 "$engine $type: messages"
        same "$(grep -o '<[0-9]*\.[0-9]>' out | wc -l | tr -d ' ')" 6000 "$engine $type: each once"
    done
}
thousands_io_uring() { each thousands_of_clients io_uring; }
thousands_epoll() { each thousands_of_clients epoll; }
thousands_poll() { each thousands_of_clients poll; }

# Those who say nothing cost those who talk nothing: a loop that looks at all of them takes a second and more for this.
idle_clients()
{
    room_for 4100
    server listen $name --echo --engine $engine
    load_behind seqpacket $name 'ss = [new() for i in range(4000)]
print("connected", flush=True)
until_gone(ss[0])'
    said connected
    load seqpacket $name 's = new(); s.send(b"first"); echoes(s, [b"first"])'
    before=$(ticks "$pid")
    load seqpacket $name 's = new()
for i in range(1000): s.send(b"x"); echoes(s, [b"x"])'
    took=$(($(ticks "$pid") - before))
    [ $took -lt 50 ] || fail "$engine: $took ticks"
    kill "$peer"
    stopped 0
}
idle_clients_cost_nothing() { each idle_clients io_uring epoll; }

# Who does not read is not read from, costs nothing meanwhile, and gets everything when it reads again.
deaf_client()
{
    for type in seqpacket stream; do
        server listen $name --echo --type $type --engine $engine
        load_behind $type $name 's = new()
sent = fill(s, 1000)
print("full", len(sent), flush=True)
while not os.path.exists("go"): time.sleep(0.02)
echoes(s, sent)
s.send(b"after"); echoes(s, [b"after"])
print("got all", flush=True)'
        said full
        before=$(ticks "$pid")
        expects 0 "$unx" send $name --type $type --data two --reply >reply
        same "$(cat reply)" two reply
        sleep 0.5
        [ $(($(ticks "$pid") - before)) -lt 10 ] || fail "$(($(ticks "$pid") - before)) ticks"
        touch go
        said 'got all'
        loaded
        rm go
        stopped 0
    done
}
deaf_clients() { each deaf_client; }

# Descriptors that came with messages before their turn.
early_descriptors()
{
    server listen $name --echo --engine $engine
    at_rest seqpacket
    load_behind seqpacket $name 's = new(); s.setblocking(False)
try:
    for i in range(10000): socket.send_fds(s, [b"." * 1000], [0, 1])
except BlockingIOError: pass
time.sleep(0.5)
try:
    for i in range(10000): socket.send_fds(s, [b"." * 1000], [0, 1])
except BlockingIOError: pass
print("full", flush=True); until_gone(s)'
    said full
    [ "$(descriptors "$pid")" -lt $((before + 200)) ] || fail "$(descriptors "$pid") descriptors"
    kill "$peer"
    comes_to "$before"
    stopped 5
    has ', 2 descriptors$' out
}
descriptors_before_their_turn() { each early_descriptors; }

# More who have much to say than there are buffers: each has its turn.
busy_clients()
{
    server listen $name --engine $engine
    load_behind seqpacket $name 'ss = [new() for i in range(40)]
for s in ss: s.send(b"hello")
print("connected", flush=True)
while not os.path.exists("go"): time.sleep(0.02)
# With a timeout Python would wait for three quarters of the room.
for s in ss: s.settimeout(None)
for k in range(200):
    for s in ss: s.send(b"more")
print("sent", flush=True); until_gone(ss[0])'
    said connected
    until_true counted '"hello"' out 40
    kill -STOP "$pid"
    touch go
    said sent
    kill -CONT "$pid"
    until_true counted '"more"' out 8000
    rm go
    kill "$peer"
    stopped 0
    # How much of the others was done when the first one was done with.
    awk '/^message/ { c = $5 } /"more"/ { n[c]++; if (n[c] == 200) exit } END { for (c in n) print n[c] }' out | sort -n >served
    same "$(lines served)" 40 "$engine: clients that were served"
    [ "$(head -n 1 served)" -ge 100 ] || fail "$engine: $(tr '\n' ' ' <served)"
}
busy_clients_take_turns() { each busy_clients; }

large_packets()
{
    [ "$(cat /proc/sys/net/core/wmem_max)" -ge 300000 ] || skip 'this system allows no larger send buffer'
    server listen $name --echo --engine $engine
    head -c 300000 /dev/urandom >data
    expects 0 "$unx" send $name --reply <data >reply
    cmp data reply || fail reply
    # The largest that there is, if this user may send it.
    head -c 4263616 /dev/urandom >data
    client "$unx" send $name --reply <data >reply 2>cerr
    case $status in
    0) cmp data reply || fail 'the largest' ;;
    3) has 'a packet of 4263616 bytes is too large' cerr ;;
    *) fail "status $status: $(cat cerr)" ;;
    esac
    stopped 0
    server listen $name --echo --max 1000 --engine $engine
    head -c 1001 /dev/zero | expects 5 "$unx" send $name --reply
    head -c 1000 /dev/zero | expects 0 "$unx" send $name --reply >reply
    same "$(wc -c <reply | tr -d ' ')" 1000 'the next one'
    stopped 3
    has '1001 bytes is larger than the 1000 that --max allows' err
}
packets_of_any_size() { each large_packets; }

full_table()
{
    # shellcheck disable=SC3045
    ulimit -S -n 40
    server listen $name --echo --engine $engine
    load_behind seqpacket $name 'ss = [new() for i in range(100)]
for i, s in enumerate(ss): s.send(b"%d" % i)
print("sent", flush=True)
while not os.path.exists("go"): time.sleep(0.02)
for i, s in enumerate(ss):
    echoes(s, [b"%d" % i]); s.close()'
    said sent
    until_true grep -q 'new connections wait' err
    before=$(ticks "$pid")
    sleep 0.5
    [ $(($(ticks "$pid") - before)) -lt 5 ] || fail "$(($(ticks "$pid") - before)) ticks"
    touch go
    loaded
    rm go
    stopped 0
    same "$(grep -c 'new connections wait' err)" 1 'said once'
    has 'on connection 100:' out
}
full_tables() { each full_table; }

run_cases thousands_of_clients idle_clients deaf_client early_descriptors busy_clients large_packets full_table
