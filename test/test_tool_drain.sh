#!/bin/sh
# SPDX-License-Identifier: MIT
# The command unx, from outside: a signal ends unx listen, and loses nothing that clients were told has gone.
#
#     test/test_tool_drain.sh PATH-TO-UNX [CASE...]
#
# shellcheck disable=SC1091,SC2086,SC2154,SC2317,SC2329 # tool_lib.sh has the variables, and calls the cases
set -u

. "$(dirname "$0")/tool_lib.sh"
. "$(dirname "$0")/tool_clients.sh"

# It gives up after a second.
too_late() { grep -q 'could not be served' err; }
# in_time FUNCTION: it is done again when the server came too late, which may be no fault of its own
in_time()
{
    for _ in 1 2 3 4 5; do
        "$1" && return
        end_all
    done
    [ $patience = 1 ] || skip 'too much else to do here to serve them in a second'
    fail "five times not served in a second: $(cat err)"
}

# Some are connected, some wait to be accepted, and all have said something.
queue()
{
    server listen ./s --type $type --engine $engine
    load_behind $type ./s 'ss = [new() for i in range(250)]
for s in ss: s.send(b"hello")
print("connected", flush=True)
while not os.path.exists("go"): time.sleep(0.02)
ss += [new() for i in range(250)]
for i, s in enumerate(ss):
    for k in range(3): s.send(b"<%d.%d>" % (i, k))
print("sent", flush=True)
for s in ss: assert s.recv(10) == b""
print("ended", flush=True)'
    said connected
    until_true counted '"hello"' out 250
    kill -STOP "$pid"
    touch go
    said sent
    kill -TERM "$pid"
    kill -CONT "$pid"
    ended 0
    rm go
    [ ! -e s ] || fail 'the file stays'
    too_late && return 1
    same "$(grep -o '<[0-9]*\.[0-9]>' out | sort -u | wc -l | tr -d ' ')" 1500 "$engine $type: messages"
    same "$(grep -o '<[0-9]*\.[0-9]>' out | wc -l | tr -d ' ')" 1500 "$engine $type: each once"
    said ended
    loaded
}
signal_and_queue()
{
    room_for 600
    for type in seqpacket stream; do
        in_time queue
    done
}
signal_drains() { each signal_and_queue; }

# While they go on sending and connecting: what they were told has gone is what is printed.
traffic()
{
    server listen ./s --engine $engine
    load_behind seqpacket ./s 'ss, sent = [], 0
for i in range(20): ss.append(new())
try:
    while True:
        for i, s in enumerate(ss):
            s.send(b"m"); sent += 1
        if len(ss) < 200: ss.append(new())
except OSError: pass
for s in ss:
    try:
        while True: s.send(b"m"); sent += 1
    except OSError: pass
print("sent", sent, flush=True)'
    until_true counted '"m"' out 2000
    stopped 0
    too_late && return 1
    said sent
    loaded
    same "$(grep -c '"m"' out)" "$(sed -n 's/^sent //p' peer)" "$engine: messages"
}
signal_and_traffic() { in_time traffic; }
signal_loses_nothing() { each signal_and_traffic; }

datagrams()
{
    server listen $name --type dgram --engine $engine
    kill -STOP "$pid"
    load dgram $name 's = new()
for i in range(10): s.send(b"<%d>" % i)'
    kill -TERM "$pid"
    kill -CONT "$pid"
    ended 0
    too_late && return 1
    same "$(grep -c '"<[0-9]>"' out)" 10 datagrams
}
datagrams_queued() { in_time datagrams; }
signal_and_datagrams() { each datagrams_queued; }

queued_program()
{
    server listen $name --type $type -- cat
    kill -STOP "$pid"
    load_behind $type $name 's = new(); s.send(b"queued"); s.shutdown(socket.SHUT_WR); print("sent", flush=True)
print("reply:", s.recv(10).decode(), flush=True)'
    said sent
    kill -TERM "$pid"
    kill -CONT "$pid"
    ended 0
    too_late && return 1
    loaded
    has '^reply: queued$' peer
}
# What a program was to get, it gets; one that does not end in time is ended.
signal_and_programs()
{
    for type in seqpacket stream; do
        in_time queued_program
    done
    # Half of a stream is no message.
    server listen $name --type stream -- cat
    load_behind stream $name 's = new(); s.send(b"half"); print("sent", flush=True); s.recv(10); print("ended", flush=True)'
    said sent
    sleep 0.2
    stopped 0
    has 'its message has not ended; dropped after 4 bytes' err
    said ended
}

second_signal()
{
    need_quiet
    server listen ./s --echo --engine $engine
    load_behind seqpacket ./s 's = new(); fill(s, 1000); print("full", flush=True); until_gone(s)'
    said full
    start=$(date +%s%N)
    kill -TERM "$pid"
    until_true test ! -e s
    expects 6 "$unx" send ./s --data x
    ended 0
    took=$((($(date +%s%N) - start) / 1000000))
    [ $took -ge 900 ] || fail "$engine: not served to the end after $took ms"
    has '1 client could not be served to the end' err
    server listen ./s --echo --engine $engine
    load_behind seqpacket ./s 's = new(); fill(s, 1000); print("full", flush=True); until_gone(s)'
    said full
    start=$(date +%s%N)
    kill -TERM "$pid"
    until_true test ! -e s
    stopped 0
    took=$((($(date +%s%N) - start) / 1000000))
    [ $took -lt 900 ] || [ $patience -gt 1 ] || fail "$engine: $took ms"
}
signal_twice() { each second_signal; }

run_cases too_late in_time queue signal_and_queue traffic signal_and_traffic datagrams datagrams_queued queued_program second_signal
