#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs the server of the examples in every event loop that was there when it was built. TAP on standard output.
#
#     test/test_examples_loops.sh BUILD/examples
#
# shellcheck disable=SC1091,SC2154 # examples.sh sets bin, dir, here, count, failures and server
set -u

. "$(dirname "$0")/examples.sh"

# end ANSWERED: a signal, which the loop gets, closes everything.
end()
{
    kill "$server"
    wait "$server"
    equal 'status of the server' $? 0 || return 1
    server=
    equal 'its last words' "$(tail -n 1 "$dir/server")" "stopped, $1 answered"
}

answers()
{
    start "loop_$loop" "$here-loop" || return 1
    before=$(descriptors)
    for i in 1 2 3 4 5 6 7 8; do
        client echo ask "$here-loop" "text $i" >"$dir/answer.$i" &
        eval "pid_$i=\$!"
    done
    for i in 1 2 3 4 5 6 7 8; do
        eval "wait \$pid_$i" || return 1
        equal "answer $i" "$(cat "$dir/answer.$i")" "text $i" || return 1
    done
    equal 'empty answer' "$(client echo ask "$here-loop" '')" '' || return 1
    closed_all "$before" || return 1
    end 9
}

# 20 clients, 500 packets each, ten of them under way; the timer of the loop goes on meanwhile.
many()
{
    start "loop_$loop" "$here-loop" 20 || return 1
    timeout $((50 * patience)) python3 - "$here-loop" <<'END' || return 1
import socket, sys

clients = []
for number in range(20):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.connect("\0" + sys.argv[1][1:])
    clients.append([s, 0, 0])
news = 0
while any(got < 500 for _, _, got in clients):
    for number, c in enumerate(clients):
        while c[1] < 500 and c[1] - c[2] < 10:
            c[0].send(b"%d %d" % (number, c[1]))
            c[1] += 1
        if c[2] < 500:
            packet = c[0].recv(1000)
            if packet == b"clients: 20\n":
                news += 1
            elif not packet.startswith(b"clients: "):
                assert packet == b"%d %d" % (number, c[2]), packet
                c[2] += 1
assert news > 0
END
    end 10000
}

# A client that says nothing hears from the timer of the loop, and the end when the server gets a signal.
timer()
{
    start "loop_$loop" "$here-loop" 50 || return 1
    : >"$dir/out"
    timeout $((20 * patience)) python3 - "$here-loop" "$patience" >"$dir/out" <<'END' &
import socket, sys, time

s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
start = time.monotonic()
s.connect("\0" + sys.argv[1][1:])
for _ in range(6):
    print(s.recv(100).decode(), end="")
print("in time" if 0.15 <= time.monotonic() - start < 5 * int(sys.argv[2]) else "late", flush=True)
while s.recv(100):
    pass
print("the end")
END
    heard=$!
    seen "$dir/out" '^in time$' || return 1
    equal 'what it hears' "$(grep -c '^clients: 1$' "$dir/out")" 6 || return 1
    end 0 || return 1
    wait "$heard" || return 1
    equal 'last line' "$(tail -n 1 "$dir/out")" 'the end'
}

# A client that never reads holds up nobody, and its connection can be closed all the same.
slow()
{
    start "loop_$loop" "$here-loop" 50 || return 1
    timeout $((20 * patience)) python3 - "$here-loop" "$patience" <<'END' || return 1
import socket, sys

deaf = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
deaf.connect("\0" + sys.argv[1][1:])
deaf.settimeout(0.5)
try:
    while True:
        deaf.send(bytes(1000))
except TimeoutError:
    pass
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.connect("\0" + sys.argv[1][1:])
s.settimeout(10 * int(sys.argv[2]))
s.send(b"hello")
while (answer := s.recv(100)).startswith(b"clients: "):
    pass
assert answer == b"hello"
END
    kill "$server"
    wait "$server"
    equal 'status of the server' $? 0 || return 1
    server=
}

refusals()
{
    exits 2 client "loop_$loop" || return 1
    grep -q "^usage: loop_$loop " "$dir/err" || return 1
    exits 1 client "loop_$loop" '' || return 1
    start "loop_$loop" "$here-loop" || return 1
    exits 1 client "loop_$loop" "$here-loop" || return 1
    grep -q '^loop_server: listen: .' "$dir/err" || return 1
    end 0
}

missing()
{
    echo 'SKIP this event loop was not there when the examples were built'
}

for loop in uv glib sd_event event ev; do
    if [ ! -x "$bin/example_loop_$loop" ]; then
        check "loop_$loop" missing
        continue
    fi
    check "loop_$loop: many clients, empty packets, a signal" answers
    check "loop_$loop: ten thousand packets, and a timer meanwhile" many
    check "loop_$loop: the timer starts operations, the end closes them" timer
    check "loop_$loop: a client that does not read" slow
    check "loop_$loop: no arguments, no address, a name in use" refusals
done
echo "1..$count"
[ "$failures" = 0 ]
