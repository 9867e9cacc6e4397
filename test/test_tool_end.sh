#!/bin/sh
# SPDX-License-Identifier: MIT
# The command unx, from outside: both ways at once, every kind of end, and other programs as peers.
#
#     test/test_tool_end.sh PATH-TO-UNX [CASE...]
#
# shellcheck disable=SC1091,SC2086,SC2154,SC2317,SC2329 # tool_lib.sh has the variables, and calls the cases
set -u

. "$(dirname "$0")/tool_lib.sh"

# ---- both ways, and ends ----

server_speaks_first()
{
    peer_behind seqpacket $name 's.bind(at); s.listen(); print("listening", flush=True)
c, _ = s.accept(); c.send(b"welcome"); assert c.recv(10) == b"hello"; c.send(b"bye"); assert c.recv(10) == b""'
    until_true grep -q listening peer
    mkfifo in
    "$unx" connect $name --lines <in >got 2>got.err &
    c=$!
    pids="$pids $c"
    exec 8>in
    until_true grep -q welcome got
    echo hello >&8
    until_true grep -q bye got
    exec 8>&-
    wait $c || fail "connect: $(cat got.err)"
    wait "$peer" || fail 'the server'
}

peer_closes_early()
{
    peer_behind seqpacket $name 's.bind(at); s.listen(); print("listening", flush=True)
c, _ = s.accept(); c.recv(10); c.close()
c, _ = s.accept(); c.recv(10); c.close(); time.sleep(15)'
    until_true grep -q listening peer
    mkfifo in
    "$unx" connect $name --lines <in 2>got.err &
    c=$!
    pids="$pids $c"
    exec 8>in
    echo hello >&8
    until_true gone_or_zombie $c
    exec 8>&-
    wait $c
    same $? 5 connect
    has 'closed before the end of the input' got.err
    expects 5 "$unx" send $name --data x --reply
    has 'closed before a reply' cerr
}

last_words_of_the_peer()
{
    peer_behind seqpacket $name 's.bind(at); s.listen(); print("listening", flush=True)
c, _ = s.accept(); c.recv(10); c.send(b"one"); c.send(b"bye"); c.close(); print("closed", flush=True); time.sleep(15)'
    until_true grep -q listening peer
    mkfifo in
    "$unx" send $name --lines --reply <in >got 2>got.err &
    c=$!
    pids="$pids $c"
    exec 8>in
    echo 1 >&8
    until_true grep -q closed peer
    until_true grep -q one got
    echo 2 >&8
    exec 8>&-
    wait $c
    same $? 5 status
    same "$(tr '\n' ' ' <got)" 'one bye ' replies
    has '1 packet went before this one' got.err
}

reset_after_replies()
{
    peer_behind seqpacket $name 's.bind(at); s.listen(); print("listening", flush=True)
c, _ = s.accept(); c.recv(10); c.send(b"r1"); c.send(b"r2")
# What has come, and was not read, makes it a reset.
select.select([c], [], []); c.close()'
    until_true grep -q listening peer
    printf 'one\ntwo\n' | expects 5 "$unx" connect $name --lines >reply
    same "$(tr '\n' ' ' <reply)" 'r1 r2 ' 'the replies'
    has 'ECONNRESET' cerr
}

two_clients()
{
    server listen $name --echo
    mkfifo in1 in2
    "$unx" connect $name --lines <in1 >got1 &
    c1=$!
    "$unx" connect $name --lines <in2 >got2 &
    c2=$!
    pids="$pids $c1 $c2"
    exec 7>in1 8>in2
    for i in 1 2 3; do
        echo "a$i" >&7
        until_true grep -q "a$i" got1
        echo "b$i" >&8
        until_true grep -q "b$i" got2
    done
    exec 7>&- 8>&-
    wait $c1 || fail 'the first'
    wait $c2 || fail 'the second'
    stopped 0
    same "$(sed -n 's/^message . on connection \(.\).*/\1/p' out | sort | tr -d '\n')" 111222 connections
}

killed_client()
{
    server listen $name --echo
    mkfifo in
    "$unx" connect $name --lines <in >got &
    c=$!
    pids="$pids $c"
    exec 8>in
    echo one >&8
    until_true grep -q one got
    kill -9 $c
    exec 8>&-
    expects 0 "$unx" send $name --data two --reply >reply
    same "$(cat reply)" two reply
    stopped 0
}

deaf_client()
{
    server listen $name --echo
    # Echoes to one that reads none fill its queue; nobody else may notice, and nothing may spin.
    peer_behind seqpacket $name 's.connect(at); s.setblocking(False)
n = 0
while n < 3000:
    try: s.send(b"x" * 1000); n += 1
    except BlockingIOError: break
print("full", flush=True); time.sleep(15)'
    until_true grep -q full peer
    expects 0 "$unx" send $name --data two --reply >reply
    same "$(cat reply)" two reply
    before=$(ticks "$pid")
    sleep 0.5
    after=$(ticks "$pid")
    [ $((after - before)) -lt 10 ] || fail "$((after - before)) ticks"
    stopped 0
}

deaf_datagram_sender()
{
    server listen $name --type dgram --echo
    # More replies than its queue holds: they wait for it.
    peer dgram $name 's.bind("")
for i in range(20): s.sendto(b"%d" % i, at)
time.sleep(0.1)
for i in range(20): assert s.recv(10) == b"%d" % i'
    # And of one that never reads, they are dropped.
    peer_behind dgram $name 's.bind("")
for i in range(20): s.sendto(b"x", at)
time.sleep(60)'
    until_true grep -q 'had no room for it for 1000 ms; dropped' err
    kill "$peer"
    expects 0 "$unx" send $name --type dgram --data y --reply >reply
    same "$(cat reply)" y reply
    stopped 7
}

hundreds_of_clients()
{
    server listen $name --echo
    peer seqpacket $name 'ss = []
for i in range(400):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.connect(at); s.send(b"%d" % i); ss.append(s)
for k in range(3):
    for i, s in enumerate(ss):
        r = s.recv(100); assert r == b"%d" % i, (i, r); s.send(r)'
    stopped 5
    has 'on connection 400:' out
}

many_programs_at_once()
{
    server listen $name -- cat
    peer seqpacket $name 'ss = []
for i in range(100):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.connect(at); s.send(b"%d" % i); ss.append(s)
for i, s in enumerate(ss):
    r = s.recv(100); assert r == b"%d" % i, (i, r)'
    stopped 0
}

full_table()
{
    # shellcheck disable=SC3045
    ulimit -S -n 30
    server listen $name --echo
    for _ in 1 2; do
        peer seqpacket $name 'import resource
resource.setrlimit(resource.RLIMIT_NOFILE, [resource.getrlimit(resource.RLIMIT_NOFILE)[1]] * 2)
ss = []
for i in range(100):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.connect(at); s.send(b"%d" % i); ss.append(s)
time.sleep(0.5)
for i, s in enumerate(ss):
    r = s.recv(100); assert r == b"%d" % i, (i, r); s.close()'
    done
    [ "$(ticks "$pid")" -lt 30 ] || fail "$(ticks "$pid") ticks"
    stopped 0
    same "$(grep -c 'new connections wait' err)" 2 'said once each time'
    has 'on connection 200:' out
}

# ---- standard input and output ----

output_closed()
{
    mkfifo pipe
    "$unx" listen ./s >pipe 2>err &
    pids="$pids $!"
    head -n 1 <pipe >first &
    reader=$!
    pids="$pids $reader"
    until_true grep -q listening err
    expects 0 "$unx" send ./s --data one
    # It reads on, after what it has printed, until it has ended.
    until_true gone_or_zombie $reader
    has '^message 1' first
    # The next message finds nobody to print it to.
    client "$unx" send ./s --data two
    until_true test ! -e s
    same "$(lines err)" 1 'nothing was said'
}

output_full()
{
    [ -c /dev/full ] || skip 'no /dev/full'
    server listen $name --echo
    # shellcheck disable=SC2016
    expects 1 sh -c '"$1" send "$2" --data x --reply >/dev/full' sh "$unx" $name
    has 'standard output: .*ENOSPC' cerr
    # shellcheck disable=SC2016
    expects 1 sh -c '"$1" send "$2" --data x --reply >&-' sh "$unx" $name
    has 'standard output' cerr
    # shellcheck disable=SC2016
    expects 1 sh -c '"$1" send "$2" <&-' sh "$unx" $name
    has 'standard input' cerr
    stopped 0
}

quiet()
{
    rm -f out err
    "$unx" listen ./q --quiet --once >out 2>err &
    pid=$!
    pids="$pids $pid"
    until_true test -S q
    until_true "$unx" send ./q --data x
    ended 0
    [ ! -s out ] || fail 'a message'
    [ ! -s err ] || fail 'a note'
}

# ---- other programs as peers ----

socat_as_client()
{
    need socat
    server listen ./s --echo
    echo hello | timeout 20 socat -t 5 - UNIX-CONNECT:./s,type=5 >reply || fail socat
    same "$(cat reply)" hello reply
    until_true grep -q '"hello\\n"' out
    stopped 0
    server listen $name --echo
    echo hello | timeout 20 socat -t 5 - "ABSTRACT-CONNECT:${name#@},type=5" >reply || fail socat
    same "$(cat reply)" hello 'abstract'
    stopped 0
}

socat_as_server()
{
    need socat
    socat UNIX-LISTEN:./s,type=5,fork EXEC:cat 2>socat.err &
    pids="$pids $!"
    until_true test -S s
    until_true "$unx" peer ./s
    expects 0 "$unx" send ./s --data hello --reply >reply
    same "$(cat reply)" hello reply
    # Of two packets at once it would make one.
    printf 'one\ntwo\n' | expects 0 "$unx" send ./s --lines --reply >reply
    same "$(tr '\n' ' ' <reply)" 'one two ' 'lines'
}

large_packet_where_socat_cuts()
{
    need socat
    head -c 20000 /dev/urandom >data
    timeout 20 socat -u UNIX-LISTEN:./cut,type=5 OPEN:cut.out,creat 2>socat.err &
    pids="$pids $!"
    # Its file is there before it listens.
    # shellcheck disable=SC2016
    until_true sh -c '"$1" send ./cut <data' sh "$unx"
    until_true test -s cut.out
    say "socat got $(wc -c <cut.out | tr -d ' ') bytes of 20000"
    server recv $name -- cat
    expects 0 "$unx" send $name <data
    ended 0
    cmp data out || fail 'unx has cut it too'
}

run_cases
