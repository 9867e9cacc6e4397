#!/bin/sh
# SPDX-License-Identifier: MIT
# The command unx, from outside: who the others are, who of them may talk, and when they said it.
#
#     test/test_tool_peer.sh PATH-TO-UNX [CASE...]
#
# shellcheck disable=SC1091,SC2086,SC2154,SC2317,SC2329 # tool_lib.sh has the variables, and calls the cases
set -u

. "$(dirname "$0")/tool_lib.sh"

# ---- peers ----

peer_of_a_server()
{
    for type in seqpacket stream; do
        server listen $name --type $type
        # Without --type it finds out.
        expects 0 "$unx" peer $name >who.is
        has "^$type: pid $pid, uid $(id -u), gid $(id -g), groups .*, pidfd $pidfd, program " who.is
        same "$("$unx" peer $name --json | json 'o["peer"]["pid"], o["type"]')" "($pid, '$type')" json
        stopped 0
    done
    server listen ./s --type stream
    expects 0 "$unx" peer ./s >who.is
    has '^stream: ' who.is
    expects 6 "$unx" peer ./s --type seqpacket
    has 'another --type' cerr
    stopped 0
}

other_user()
{
    need_root
    chmod 711 "$top" .
    server listen $name --cred --allow user:65533
    expects 0 setpriv --reuid=65533 --regid=65532 --groups=100,200 "$unx" send $name --data x --cred
    until_true grep -q '"x"' out
    stopped 0
    has '^  peer: pid [0-9]*, uid 65533, gid 65532, groups '"$(groups 100 200)"', pidfd ' out
    has '^  sender: pid [0-9]*, uid 65533, gid 65532,' out
    server listen ./s --mode 0600
    expects 6 setpriv --reuid=65533 --regid=65532 --clear-groups "$unx" send "$(pwd)/s" --data x
    has 'EACCES' cerr
    stopped 0
}

# ---- who may talk ----

allowed_by_default()
{
    need_root
    chmod 711 "$top" .
    server listen $name --echo
    has 'this user and root are admitted' err
    same "$(grep -c 'are admitted' err)" 1 'said once'
    other 5 "$unx" send $name --data no --reply
    expects 0 "$unx" send $name --data yes --reply >reply
    same "$(cat reply)" yes reply
    until_true grep -q '^message' out
    stopped 0
    has '^refused connection 1: neither this user nor one of its groups is admitted$' out
    has '^  peer: pid [0-9]*, uid 65533, gid 65532, groups '"$(groups none)"', pidfd ' out
    hasnt '"no"' out
    has '^message 1 on connection 2:' out
    server listen $name --echo --allow anyone
    hasnt 'admitted' err
    other 0 "$unx" send $name --data yes --reply
    stopped 0
    hasnt refused out
    # The same user need not be root, and another one is nobody there.
    rm -f out err
    (umask 0; mkdir free)
    setpriv --reuid=65533 --regid=65532 --clear-groups "$unx" listen $name --echo >out 2>err &
    pid=$!
    pids="$pids $pid"
    until_true grep -q listening err
    other 0 "$unx" send $name --data same --reply
    expects 0 "$unx" send $name --data root --reply
    expects 5 setpriv --reuid=65531 --regid=65532 --clear-groups "$unx" send $name --data no --reply
    stopped 0
    same "$(grep -c '^refused' out)" 1 refused
    # A file has permissions, and they decide alone.
    server listen ./s --mode 0666 --echo
    hasnt admitted err
    other 0 "$unx" send "$(pwd)/s" --data yes --reply
    stopped 0
}

allowed_by_a_list()
{
    need_root
    need_groups
    chmod 711 "$top" .
    for type in seqpacket stream; do
        server listen ./s --mode 0666 --type $type --echo --allow user:65533,group:4712 --allow group:daemon
        other 0 "$unx" send "$(pwd)/s" --type $type --data 1 --reply
        expects 0 setpriv --reuid=65530 --regid=4712 --clear-groups "$unx" send "$(pwd)/s" --type $type --data 2 --reply
        expects 0 setpriv --reuid=65530 --regid=65532 --groups=100,4712 "$unx" send "$(pwd)/s" --type $type --data 3 --reply
        expects 0 setpriv --reuid=65530 --regid="$(getent group daemon | cut -d: -f3)" --clear-groups \
            "$unx" send "$(pwd)/s" --type $type --data 4 --reply
        # With a list, root is somebody like everybody else; and a client that only waits gets the end at once.
        peer $type ./s 's.connect(at); assert s.recv(10) == b""'
        expects 5 setpriv --reuid=65530 --regid=65532 --groups=100,4713 "$unx" send "$(pwd)/s" --type $type --data no --reply
        until_true counted '^refused connection' out 2
        stopped 0
        same "$(grep -c '^message' out)" 4 messages
        has 'uid 65530, gid 65532, groups 100 4713,' out
    done
    server listen ./s --allow root --echo
    expects 0 "$unx" send ./s --data x --reply
    stopped 0
}

allowed_datagrams()
{
    need_root
    server recv $name --type dgram --count 2 --allow user:65533,group:4712
    for _ in 1 2; do expects 0 "$unx" send $name --type dgram --data root; done
    # A claim of who may claim what it likes is believed, as the kernel does.
    other 0 "$unx" send $name --type dgram --data yes
    # Supplementary groups do not come with a message.
    expects 0 setpriv --reuid=65530 --regid=65532 --groups=4712 "$unx" send $name --type dgram --data no
    expects 0 setpriv --reuid=65530 --regid=4712 --clear-groups "$unx" send $name --type dgram --data yes
    ended 0
    same "$(grep -c '^refused a message of 4 bytes: neither this user' out)" 2 'root'
    has '^refused a message of 2 bytes: ' out
    has '^  sender: pid [0-9]*, uid 65530, gid 65532, groups unknown, pidfd ' out
    same "$(grep -c '"yes"' out)" 2 admitted
    # By default as on connections.
    server recv $name --type dgram
    has 'this user and root are admitted' err
    other 0 "$unx" send $name --type dgram --data no
    expects 0 "$unx" send $name --type dgram --data yes
    ended 0
    hasnt '"no"' out
}

refused_is_not_counted()
{
    need_root
    server listen $name --once --echo
    other 5 "$unx" send $name --data no --reply
    expects 0 "$unx" send $name --data yes --reply
    ended 0
    server recv $name --json
    setpriv --reuid=65533 --regid=65532 --clear-groups "$unx" send $name --data no 2>cerr
    until_true grep -q refused out
    expects 0 "$unx" send $name --data yes
    ended 0
    same "$(head -n 1 out | json 'o["refused"], o["connection"], o["type"], o["peer"]["uid"], "data" in o')" \
        "('neither this user nor one of its groups is admitted', 1, 'seqpacket', 65533, False)" json
    same "$(tail -n 1 out | json 'o["message"], o["data"]')" "(1, 'yes')" 'the message'
    server recv $name --type dgram --json
    setpriv --reuid=65533 --regid=65532 --clear-groups "$unx" send $name --type dgram --data no 2>cerr
    expects 0 "$unx" send $name --type dgram --data yes
    ended 0
    same "$(head -n 1 out | json 'o["refused"] == "", o["length"], o["sender"]["uid"], "connection" in o')" \
        "(False, 2, 65533, False)" 'json of a datagram'
    # Where standard output is the program's.
    server recv $name -- cat
    setpriv --reuid=65533 --regid=65532 --clear-groups "$unx" send $name --data no 2>cerr
    until_true grep -q 'refused: neither this user .*uid 65533' err
    expects 0 "$unx" send $name --data yes
    ended 0
    same "$(cat out)" yes 'output'
    # Somebody who may not talk keeps nobody waiting who waits for a time.
    for type in seqpacket dgram; do
        server listen $name --type $type --timeout $((2000 * patience))
        (while kill -0 "$pid"; do setpriv --reuid=65533 --regid=65532 --clear-groups "$unx" send $name --type $type --data no; done) 2>/dev/null &
        pids="$pids $!"
        until_true grep -q refused out
        ended 7
    done
}

# ---- time and pidfd ----

time_of_messages()
{
    for type in seqpacket dgram; do
        server listen $name --type $type --time --cred
        peer_behind $type $name 's.connect(at); s.send(b"first")
while not os.path.exists("go"): time.sleep(0.02)
s.send(b"second"); print("sent", flush=True); time.sleep(60)'
        until_true grep -q '"first"' out
        # Sent while nobody reads: the time is that of sending.
        kill -STOP "$pid"
        touch go
        until_true grep -q sent peer
        sleep 1.2
        before=$(date +%s%N)
        kill -CONT "$pid"
        until_true grep -q '"second"' out
        kill "$peer"
        rm go
        stopped 0
        same "$(grep -Ec '^  time: 20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{9}Z$' out)" 2 'times'
        sed -n 's/^  time: //p' out | tail -n 1 | near 15 || fail "not now: $(grep time: out)"
        sent=$(sed -n 's/^  time: //p' out | tail -n 1)
        [ "$(date -d "$sent" +%s%N)" -lt $((before - 500000000)) ] || fail "$sent is not when it was sent"
    done
    server recv $name --type dgram --time --json
    expects 0 "$unx" send $name --type dgram --data x
    ended 0
    same "$(json 'abs(__import__("time").time() - o["time_ns"] / 1e9) < 15, len(o["time"]), o["time_ns"] % 10**9 == int(o["time"][20:29])' <out)" \
        '(True, 30, True)' json
    server recv $name
    expects 0 "$unx" send $name --data x
    ended 0
    hasnt 'time:' out
}

pidfds_of_senders()
{
    need_pidfd
    for type in seqpacket stream dgram; do
        server listen $name --type $type --pidfd
        mkfifo in.$type
        "$unx" connect $name --type $type <in.$type 2>c.err &
        c=$!
        pids="$pids $c"
        printf x >in.$type
        until_true grep -q '"x"' out
        # It may have ended by then, but not before it was in one of these two states.
        grep -Eq "^  pidfd: of (pid $c, which runs|a process that has ended)\$" out || fail "$type: $(cat out)"
        kill $c 2>/dev/null
        stopped 0
    done
    server recv $name --pidfd --json
    peer_behind seqpacket $name 's.connect(at); s.send(b"x"); time.sleep(15)'
    ended 0
    same "$(json 'o["pidfd"]' <out)" "{'pid': $peer, 'runs': True}" 'of one that runs'
    server recv $name --pidfd --json --count 2
    kill -STOP "$pid"
    expects 0 "$unx" send $name --data x
    kill -CONT "$pid"
    until_true grep -q '"x"' out
    same "$(head -n 1 out | json 'o["pidfd"]')" "{'pid': None, 'runs': False}" 'of one that has ended'
    stopped 143
}

pidfd_that_this_kernel_lacks()
{
    need strace
    strace -o /dev/null true 2>/dev/null || skip 'no tracing here'
    # The leak check of a sanitizer cannot be traced.
    traced='env ASAN_OPTIONS='${ASAN_OPTIONS:+$ASAN_OPTIONS:}'detect_leaks=0 strace -f -e trace=setsockopt'
    $traced -o trace "$unx" recv ./s --type stream --pidfd --timeout 0 2>err
    # Which call it is; by its number, as an older strace does not know its name. Each attempt comes as far as that.
    at=$(grep setsockopt trace | grep -nE 'SO_PASSPIDFD|0x4c' | head -n 1 | cut -d: -f1)
    [ -n "$at" ] || fail "it was not asked for: $(cat trace)"
    $traced -o trace -e inject=setsockopt:error=ENOPROTOOPT:when="$at+$at" \
        "$unx" recv ./s --type stream --pidfd --timeout $((3000 * patience)) >out 2>err
    same $? 1 status
    has 'this kernel tells no pidfd of a sender.*EOPNOTSUPP' err
    [ ! -e s ] || fail 'a file'
}

program_of_the_peer()
{
    need_pidfd
    server listen $name --echo
    peer seqpacket $name 's.connect(at); s.send(b"x"); s.recv(1)'
    stopped 0
    has ", program /.*python" out
    server listen $name
    expects 0 "$unx" peer $name >who.is
    has ", program $(readlink -f "$unx")\$" who.is
    # Of one that has gone, the pid may be somebody else's by now.
    kill -STOP "$pid"
    expects 0 "$unx" send $name --data x
    kill -CONT "$pid"
    until_true grep -q '"x"' out
    has ', program unknown$' out
    stopped 0
}

pid_of_another_process()
{
    need_root
    need_pidfd
    need unshare
    # In a pid namespace of our own, where the next pid can be chosen.
    unshare -fp --mount-proc sh -c '[ -w /proc/sys/kernel/ns_last_pid ]' 2>/dev/null || skip 'no pid namespace to play in'
    # shellcheck disable=SC2016
    unshare -fp --mount-proc sh -c '
        "$1" listen "$2" >out 2>err &
        server=$!
        for _ in $(seq 500); do grep -q listening err && break; sleep 0.02; done
        kill -STOP $server
        "$1" send "$2" --data x &
        sender=$!
        wait $sender
        echo $((sender - 1)) >/proc/sys/kernel/ns_last_pid
        sleep 20 &
        other=$!
        kill -CONT $server
        for _ in $(seq 500); do grep -q data: out && break; sleep 0.02; done
        echo $sender $other >pids
        kill $server $other' sh "$unx" $name
    read -r sender other <pids
    [ "$sender" = "$other" ] || skip "pid $sender was not given again, but $other"
    has "^  peer: pid $sender, .* pidfd yes, program unknown" out
}

nobody_there()
{
    expects 6 "$unx" send $name --data x
    same "$(cat cerr)" "unx send: $name: nobody listens at this address (ECONNREFUSED)" message
    expects 6 "$unx" connect ./nosuch </dev/null
    has 'ENOENT' cerr
    expects 6 "$unx" peer $name
    touch f
    expects 6 "$unx" send ./f --data x
    expects 1 "$unx" send $name --data x --fd ./nosuch
    expects 1 "$unx" send "./$(printf '%0300d' 0)" --data x
    has 'longer than a file system takes (ENAMETOOLONG)' cerr
}

wrong_type()
{
    server listen ./s
    expects 6 "$unx" send ./s --type stream --data x
    has 'another --type (EPROTOTYPE)' cerr
    stopped 0
}

timeouts()
{
    server listen $name
    expects 7 "$unx" send $name --data x --reply --timeout 100
    has 'no reply within 100 ms' cerr
    mkfifo in
    exec 8<>in
    expects 7 "$unx" connect $name --timeout 100 <in
    has 'nothing came and nothing went' cerr
    stopped 0
    expects 7 "$unx" recv $name --timeout 100
    expects 7 "$unx" listen $name --timeout 100
    expects 7 "$unx" recv $name --timeout 0
}

run_cases
