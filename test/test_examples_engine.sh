#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs the examples of the engine for real: the chat, and the server that spreads connections. TAP on standard output.
#
#     test/test_examples_engine.sh BUILD/examples
#
# shellcheck disable=SC1091,SC2154 # examples.sh sets bin, dir, here, count, failures and server
set -u

. "$(dirname "$0")/examples.sh"

usage_of_all()
{
    for name in chat frames spread; do
        exits 2 "$bin/example_$name" || return 1
        grep -q "^usage: $name " "$dir/err" || return 1
    done
    exits 2 "$bin/example_spread" "$here-echo" 0
}

# join NAME NUMBER: a member who says what is written to this descriptor, and hears into $dir/NAME.
join()
{
    : >"$dir/$1"
    rm -f "$dir/$1.in"
    mkfifo "$dir/$1.in" || return 1
    "$bin/example_chat" join "$here-room" "$1" <"$dir/$1.in" >"$dir/$1" 2>"$dir/$1.err" 3>&- 4>&- 5>&- &
    eval "$1=\$!; exec $2>\"\$dir/$1.in\""
    seen "$dir/$1" "^$1 (uid $(id -u)) has joined\$"
}

# Who was left in the room by a case that failed goes. The descriptor of its signals is open a moment after it says that it
# listens.
room()
{
    exec 3>&- 4>&- 5>&-
    start chat serve "$here-room" || return 1
    tries=0
    until find "/proc/$server/fd" -lname '*signalfd*' | grep -q .; do
        tries=$((tries + 1))
        [ "$tries" -le $((200 * patience)) ] || return 1
        sleep 0.05
    done
}

chat_hears()
{
    room || return 1
    before=$(descriptors)
    me="uid $(id -u)"
    join alice 3 && join bob 4 && join carol 5 || return 1
    seen "$dir/alice" "^carol ($me) has joined\$" || return 1
    echo 'hello, all' >&3
    for name in bob carol; do
        seen "$dir/$name" "^alice ($me): hello, all\$" || return 1
    done
    echo 'hello, alice' >&4
    for name in alice carol; do
        seen "$dir/$name" "^bob ($me): hello, alice\$" || return 1
    done
    equal 'own lines' "$(grep -c '^alice .*: ' "$dir/alice")" 0 || return 1
    exec 5>&-
    wait "$carol"
    equal 'status of who leaves' $? 0 || return 1
    seen "$dir/alice" "^carol ($me) has left\$" || return 1
    exec 3>&- 4>&-
    wait "$alice" && wait "$bob" || return 1
    closed_all "$before"
}

# Many lines from several at once: every member hears those of each other one whole, and in order.
chat_order()
{
    room || return 1
    join alice 3 || return 1
    all=
    for i in 1 2 3 4 5 6; do
        seq "${i}00000" "${i}01999" >"$dir/said.$i"
        client chat join "$here-room" "m$i" <"$dir/said.$i" >"$dir/heard.$i" 2>&1 3>&- &
        all="$all $!"
    done
    for pid in $all; do
        wait "$pid" || return 1
    done
    for i in 1 2 3 4 5 6; do
        seen "$dir/alice" "^m$i (.*) has left\$" || return 1
        # A packet is what one read of the file brought: lines may go on in the next.
        equal "lines of m$i" "$(sed -n "s/^m$i (uid [0-9]*): //p" "$dir/alice" | tr -d ' \n' | cksum)" \
            "$(tr -d '\n' <"$dir/said.$i" | cksum)" || return 1
    done
    exec 3>&-
    wait "$alice"
}

# A member that is stopped does not read: when the room has waited long enough for it, it is dropped, and the talk goes on.
chat_slow()
{
    if [ -n "${UNX_DISTURBED-}" ]; then
        echo "SKIP whoever is stopped here is continued: disturbed by $UNX_DISTURBED"
        return 0
    fi
    room || return 1
    before=$(descriptors)
    join alice 3 && join bob 4 && join carol 5 || return 1
    kill -STOP "$carol"
    seq 40000 >&3
    seen "$dir/bob" '^carol (.*) was dropped: does not read$' || return 1
    echo 'the end' >&3
    seen "$dir/bob" 'the end$' || return 1 # in a packet of its own, or behind the last numbers
    kill -CONT "$carol"
    wait "$carol"
    equal 'status of who was dropped' $? 1 || return 1
    exec 3>&- 4>&- 5>&-
    wait "$alice" && wait "$bob" || return 1
    closed_all "$before"
}

# Neither a name nor a line controls the terminal of others.
chat_control()
{
    room || return 1
    join alice 3 || return 1
    printf 'a\033[1mb\007c\177d\n' | client chat join "$here-room" "$(printf 'e\nroot (uid 0): f')" >"$dir/out" || return 1
    seen "$dir/alice" '^e root .*: a \[1mb c d$' || return 1
    exec 3>&-
    wait "$alice" || return 1
    equal 'control characters' "$(tr -d '\n' <"$dir/alice" | grep -c '[[:cntrl:]]')" 0
}

chat_refusals()
{
    exits 1 client chat join "$here-nobody" alice || return 1
    grep -q '^chat: join: .' "$dir/err" || return 1
    room || return 1
    before=$(descriptors)
    exits 1 client chat serve "$here-room" || return 1
    grep -q '^chat: serve: .' "$dir/err" || return 1
    if [ "$(id -u)" = 0 ] && setpriv --reuid 1 --regid 1 --clear-groups test -x "$bin/example_chat"; then
        join alice 3 || return 1
        exits 1 setpriv --reuid 1 --regid 1 --clear-groups "$bin/example_chat" join "$here-room" mallory || return 1
        echo still >&3
        exec 3>&-
        wait "$alice" || return 1
        equal 'who was refused is heard' "$(grep -c mallory "$dir/alice")" 0 || return 1
    fi
    closed_all "$before"
}

# A signal ends a member, and the room: whoever is left is told, and everything is given back.
chat_signals()
{
    room || return 1
    join alice 3 && join bob 4 && join carol 5 || return 1
    kill -INT "$alice"
    wait "$alice"
    equal 'status of a member that was ended' $? 0 || return 1
    seen "$dir/bob" '^alice (.*) has left$' || return 1
    kill -STOP "$carol" # its receives and sends are out at the end
    kill "$server"
    wait "$server"
    equal 'status of the room' $? 0 || return 1
    server=
    wait "$bob"
    equal 'status of a member whose room ends' $? 1 || return 1
    grep -q '^chat: the room is closed: ' "$dir/bob.err" || return 1
    kill -CONT "$carol"
    wait "$carol"
    exec 3>&- 4>&- 5>&-
}

# served THREAD: how many connections a thread had, as the server said at its end.
served()
{
    sed -n "s/^thread $1: \([0-9]*\) connections\$/\1/p" "$dir/server"
}

spread_turns()
{
    start spread "$here-spread" 3 || return 1
    before=$(descriptors)
    for i in 1 2 3 4 5 6 7 8 9; do
        client echo ask "$here-spread" "text $i" >"$dir/answer.$i" &
        eval "pid_$i=\$!"
    done
    for i in 1 2 3 4 5 6 7 8 9; do
        eval "wait \$pid_$i" || return 1
        equal "answer $i" "$(cat "$dir/answer.$i")" "text $i" || return 1
    done
    equal 'empty answer' "$(client echo ask "$here-spread" '')" '' || return 1
    closed_all "$before" || return 1
    kill "$server"
    wait "$server"
    equal 'status of the server' $? 0 || return 1
    server=
    equal 'connections' "$(($(served 0) + $(served 1) + $(served 2)))" 10 || return 1
    for thread in 0 1 2; do
        if [ "$(served $thread)" = 0 ]; then
            echo "# thread $thread had nothing to do"
            return 1
        fi
    done
}

# Connections that stay keep their thread busy: newcomers go to the other one. Then all of them end with the server.
spread_load()
{
    start spread "$here-spread" 2 || return 1
    exec 3>&- 4>&- 5>&-
    for i in 3 4 5; do
        mkfifo "$dir/stays.$i" || return 1
        : >"$dir/stayed.$i"
        client chat join "$here-spread" "stays $i" <"$dir/stays.$i" >"$dir/stayed.$i" 2>&1 3>&- 4>&- 5>&- &
        eval "pid_$i=\$!; exec $i>\"\$dir/stays.$i\""
        seen "$dir/stayed.$i" "^stays $i\$" || return 1
    done
    # Two of the three are with one thread, so a fourth has to come to the other.
    equal answer "$(client echo ask "$here-spread" hello 3>&- 4>&- 5>&-)" hello || return 1
    kill -INT "$server"
    wait "$server"
    equal 'status of the server' $? 0 || return 1
    server=
    exec 3>&- 4>&- 5>&-
    for i in 3 4 5; do
        eval "wait \$pid_$i"
        grep -q '^chat: the room is closed: ' "$dir/stayed.$i" || return 1
    done
    equal 'connections of the threads' "$(served 0) $(served 1)" '2 2'
}

# Packets of several clients at once, empty ones and large ones, come back as they were.
frames_answer()
{
    start frames serve "$here-packets" || return 1
    before=$(descriptors)
    long=$(seq 10000 | tr '\n' ' ')
    for i in 1 2 3; do
        client frames ask "$here-packets" one '' "number $i" "$long" >"$dir/frames.$i" &
        eval "pid_$i=\$!"
    done
    for i in 1 2 3; do
        eval "wait \$pid_$i" || return 1
        printf '3 bytes: one\n0 bytes: \n8 bytes: number %s\n%s bytes: %s\n' "$i" "${#long}" "$long" >"$dir/want"
        equal "answers $i" "$(cksum <"$dir/frames.$i")" "$(cksum <"$dir/want")" || return 1
    done
    closed_all "$before" || return 1
    lines "$dir/server" '^client: the end$' 3 || return 1
    exits 1 client frames ask "$here-nobody" hello || return 1
    grep -q '^frames: connect: .' "$dir/err"
}

# A client that knows nothing of libunx: bytes as they are, in pieces, more packets than it reads answers, an end in the middle.
frames_by_hand()
{
    if ! command -v python3 >/dev/null; then
        echo 'SKIP python3 is not installed'
        return 0
    fi
    start frames serve "$here-packets" || return 1
    equal 'by hand' "$(timeout $((30 * patience)) python3 - "$here-packets" <<'END'
import socket
import struct
import sys

def connect():
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.connect("\0" + sys.argv[1][1:])
    return s

def frame(data):
    return struct.pack("<I", len(data)) + data

s = connect()
wire = frame(b"hello") + frame(b"") + frame(b"world" * 1000)
for i in range(0, len(wire), 7):
    s.sendall(wire[i:i + 7])
got = b""
while len(got) < len(wire):
    got += s.recv(1000)
assert got == wire

# Answers that nobody reads stop the server from reading, not from serving others.
s.setblocking(False)
sent = 0
wire = frame(b"x" * 60000)
try:
    while True:
        sent += s.send(wire[sent % len(wire):])
except BlockingIOError:
    pass
other = connect()
other.sendall(frame(b"still served"))
assert other.recv(100) == frame(b"still served")
s.setblocking(True)
got = 0
while got < sent - sent % len(wire):
    got += len(s.recv(100000))
s.close()
other.sendall(struct.pack("<I", 5) + b"ab")
other.close()

# Not a frame.
bad = connect()
bad.sendall(b"\1\0\0\377x")
assert bad.recv(1) == b""
print("ok")
END
    )" ok || return 1
    seen "$dir/server" '^client: the other side does not speak this protocol' || return 1
    seen "$dir/server" '^client: the peer closed '
}

check 'they say how they are used' usage_of_all
check 'chat: everybody else hears it' chat_hears
check 'chat: lines of many at once, whole and in order' chat_order
check 'chat: who does not read is dropped' chat_slow
check 'chat: no control over terminals' chat_control
check 'chat: nobody there, a name in use, another user' chat_refusals
check 'chat: ended by signals' chat_signals
check 'frames: packets of several clients over streams' frames_answer
check 'frames: a client that knows nothing of them' frames_by_hand
check 'spread: every thread serves' spread_turns
check 'spread: to the one with the fewest' spread_load
echo "1..$count"
[ "$failures" = 0 ]
