#!/bin/sh
# SPDX-License-Identifier: MIT
# The command unx, from outside: a service that is started with its sockets.
#
#     test/test_tool_activate.sh PATH-TO-UNX [CASE...]
#
# shellcheck disable=SC1091,SC2086,SC2154,SC2317,SC2329 # tool_lib.sh has the variables, and calls the cases
set -u

. "$(dirname "$0")/tool_lib.sh"

# ---- a service started with its sockets ----

# What systemd's own library says of them, and an echo to the first client.
service='import ctypes, os, socket, sys
sd = ctypes.CDLL("libsystemd.so.0")
names = ctypes.POINTER(ctypes.c_char_p)()
n = sd.sd_listen_fds_with_names(0, ctypes.byref(names))
kind = int(sys.argv[1])
print("fds", n, "names", [names[i].decode() for i in range(max(n, 0))],
      "unix", [sd.sd_is_socket_unix(3 + i, kind, int(kind != 2), None, 0) for i in range(n)],
      "blocking", [os.get_blocking(3 + i) for i in range(n)], "pid", os.getpid() == int(os.environ["LISTEN_PID"]))
print("open", sorted(int(f) for f in os.listdir("/proc/self/fd"))[:-1], flush=True)
s = socket.socket(fileno=3)
if kind != 2:
    s, _ = s.accept()
s.settimeout(15)
data, fds, _, from_ = socket.recv_fds(s, 1000, 9)
s.sendto(data + b" %d" % len(fds), from_) if kind == 2 else s.send(data + b" %d" % len(fds))'

activated_service()
{
    need_libsystemd
    exec 9</etc/passwd
    LISTEN_FDS=7 LISTEN_PID=1 LISTEN_FDNAMES=wrong
    export LISTEN_FDS LISTEN_PID LISTEN_FDNAMES
    for type in seqpacket:5 stream:1 dgram:2; do
        server activate --type ${type%:*} $name -- python3 -c "$service" ${type#*:}
        is_unx "$pid" || fail 'before somebody came'
        expects 0 "$unx" send $name --type ${type%:*} --data x --fd /etc/passwd --reply >reply
        same "$(cat reply)" 'x 1' "${type%:*}"
        ended 0
        same "$(head -n 1 out)" "fds 1 names ['unknown'] unix [1] blocking [True] pid True" "${type%:*}"
        same "$(sed -n 2p out)" 'open [0, 1, 2, 3]' 'nothing else'
    done
    # More of them, in their order, with names; a connection to the last wakes it too, and all types say who they are.
    server activate --seqpacket --name first --name '' --name 3rd $name ./s "$name-3" -- python3 -c "$service" 5
    peer_behind seqpacket "$name-3" 's.connect(at); time.sleep(15)'
    until_true grep -q open out
    expects 0 "$unx" send $name --data y --reply >reply
    same "$(cat reply)" 'y 0' reply
    ended 0
    same "$(grep -c 'waiting (seqpacket)' err)" 3 'said of each'
    same "$(head -n 1 out)" "fds 3 names ['first', '', '3rd'] unix [1, 1, 1] blocking [True, True, True] pid True" three
    same "$(sed -n 2p out)" 'open [0, 1, 2, 3, 4, 5]' 'nothing else'
}

# The one process: what becomes the service is what was started.
activated_in_place()
{
    # shellcheck disable=SC2016
    server activate ./s --mode 0640 --backlog 3 -- sh -c 'echo $$ $LISTEN_PID ${LISTEN_FDNAMES-none}; exec sleep 15'
    same "$(stat -c %a s)" 640 mode
    # Of a client that has gone again, the service is started all the same.
    peer seqpacket ./s 's.connect(at)'
    until_true test -s out
    same "$(cat out)" "$pid $pid none" pids
    # The file is the service's now.
    stopped 143
    [ -S s ] || fail 'the file has gone'
    # And the next one takes it over; who serves is never robbed.
    server activate ./s -- sleep 15
    expects 1 "$unx" activate ./s -- true
    has 'somebody serves there now' cerr
    expects 1 "$unx" activate "$name" ./s -- true
    expects 6 "$unx" send $name --data x
    peer seqpacket ./s 's.connect(at)'
    until_true became "$pid"
    expects 1 "$unx" activate ./s -- true
    has 'somebody serves there now' cerr
    kill -9 "$pid"
    ended 137
    # Signals are as for any program.
    server activate ./s -- sed -n '/^SigBlk/p; /^SigIgn/p' /proc/self/status
    peer seqpacket ./s 's.connect(at)'
    ended 0
    has '^SigBlk:[[:space:]]*0*$' out
    grep -Eq '^SigIgn:.*[02468ace][0-9a-f]{3}$' out || fail "$(cat out)"
}

activated_example()
{
    example=$build/../examples/example_service
    [ -x "$example" ] || skip 'the examples are not built'
    server activate --seqpacket $name -- "$example"
    expects 0 "$unx" send $name --data one --reply >reply
    expects 0 "$unx" send $name --data two --reply >>reply
    same "$(cat reply)" onetwo replies
    stopped 143
    server activate --accept --seqpacket $name -- cat /proc/self/environ
    expects 0 "$unx" connect $name --timeout 5000 </dev/null
    until_true grep -q LISTEN_FDS=1 out
    stopped 0
}

activation_that_fails()
{
    server activate ./s -- ./nosuch
    expects 5 "$unx" send ./s --data x --reply
    ended 8
    has './nosuch: cannot be run: .*ENOENT' err
    [ ! -e s ] || fail 'the file stays'
    # With so many that their numbers are those of what the listeners consist of.
    server activate ./s ./s2 ./s3 ./s4 ./s5 ./s6 -- ./nosuch
    expects 5 "$unx" send ./s5 --data x --reply
    ended 8
    same "$(find . -type s)" '' 'socket files'
    server activate ./s ./s2 -- true
    stopped 143
    same "$(find . -type s)" '' 'socket files'
    expects 7 "$unx" activate ./s --timeout 100 -- true
    has 'nobody came for 100 ms' cerr
    expects 7 "$unx" activate ./s --timeout 100 --accept -- true
    has 'nobody came for 100 ms' cerr
    [ ! -e s ] || fail 'the file stays'
    # All or nothing.
    echo text >f
    expects 1 "$unx" activate ./s ./f -- true
    has 'is no socket' cerr
    [ ! -e s ] || fail 'the file stays'
    server activate ./s --accept -- ./nosuch
    expects 5 "$unx" send ./s --data x --reply
    until_true grep -q 'connection 1: ./nosuch ended with status 127' err
    expects 5 "$unx" send ./s --data x --reply
    stopped 8
    [ ! -e s ] || fail 'the file stays'
    # The status of the service is ours.
    server activate ./s -- sh -c 'exit 42'
    peer seqpacket ./s 's.connect(at)'
    ended 42
}

activation_without_descriptors()
{
    need_refusal
    for accept in '' --accept; do
        # shellcheck disable=SC2086 # an option or none
        server activate $accept --no-fds $name -- cat
        # Before somebody accepts, and so before the program starts.
        kill -STOP "$pid"
        expects 4 "$unx" send $name --data x --fd /etc/passwd
        kill -CONT "$pid"
        end_all
    done
}

# What is served here is one connection: its descriptor is 3.
handler='import os, socket, sys
s = socket.socket(fileno=3)
say = lambda: " ".join([os.environ.get(v, "none") for v in ("LISTEN_FDS", "LISTEN_FDNAMES", "UNX_PEER_PID", "UNX_PEER_UID", "UNX_PEER_ADDR")]
    + [str(int(os.environ["LISTEN_PID"]) == os.getpid()), str(os.getpid()), str(os.get_blocking(3))]
    + sorted(f for f in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + f)))
while True:
    data = s.recv(1000)
    if not data: break
    s.send(say().encode() if data == b"who" else data)'

activated_for_each_connection()
{
    UNX_PEER_ADDR=wrong
    export UNX_PEER_ADDR
    server activate --accept --name n1 --name n2 $name "$name-2" -- python3 -c "$handler"
    unset UNX_PEER_ADDR
    until_true grep -q 'this user and root are admitted' err
    peer seqpacket "$name-2" 's.bind(at + "-c"); s.connect(at); s.send(b"who")
got = s.recv(1000).decode().split()
assert got[:5] == ["1", "n2", str(os.getpid()), str(os.getuid()), "@" + at[1:] + "-c"], got
assert got[5] == "True" and got[7] == "True" and got[8:] == ["0", "1", "2", "3"], got
t = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); t.connect(at[:-2]); t.send(b"who")
other = t.recv(1000).decode().split()
assert other[:2] == ["1", "n1"] and other[4] == "none" and other[6] != got[6], other
# Both at once, and each answers its own.
s.send(b"s"); t.send(b"t"); assert t.recv(9) == b"t" and s.recv(9) == b"s"'
    # All are waited for.
    no_children() { [ -z "$(cat "/proc/$pid/task/$pid/children")" ]; }
    until_true no_children
    stopped 0
    server activate --accept --type stream $name -- python3 -c "$handler"
    peer stream $name 's.connect(at); s.send(b"who"); got = s.recv(1000).decode().split(); assert got[:2] == ["1", "none"], got'
    stopped 0
}

no_more_than_so_many_at_once()
{
    server activate --accept --children 2 ./s -- python3 -c "$handler"
    peer seqpacket ./s 'ss = [socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(4)]
for i, c in enumerate(ss): c.connect(at); c.send(b"%d" % i); c.settimeout(10)
assert ss[0].recv(9) == b"0" and ss[1].recv(9) == b"1"
ss[2].settimeout(0.5)
try: ss[2].recv(9); sys.exit("the third is served")
except TimeoutError: pass
ss[2].settimeout(10)
ss[1].close(); assert ss[2].recv(9) == b"2"
ss[0].close(); assert ss[3].recv(9) == b"3"'
    [ "$(ticks "$pid")" -lt 20 ] || fail "$(ticks "$pid") ticks"
    stopped 0
    [ ! -e s ] || fail 'the file stays'
    # Also when they come to several addresses at the same time.
    server activate --accept --children 1 ./s ./s2 -- python3 -c "$handler"
    kill -STOP "$pid"
    peer_behind seqpacket ./s 't = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.connect(at); t.connect(at + "2"); s.send(b"s"); t.send(b"t"); print("connected", flush=True)
assert s.recv(9) == b"s"
t.settimeout(0.5)
try: t.recv(9); sys.exit("the second is served")
except TimeoutError: pass
t.settimeout(10); s.close(); assert t.recv(9) == b"t"'
    until_true grep -q connected peer
    kill -CONT "$pid"
    wait "$peer" || fail "peer: $(cat peer)"
    stopped 0
}

activation_ends_its_children()
{
    server activate --accept ./s -- sh -c 'trap "echo ended >&2; exit 0" TERM; echo started; while :; do sleep 0.05; done'
    peer_behind seqpacket ./s 's.connect(at); print(s.recv(1), flush=True)'
    until_true grep -q started out
    stopped 0
    has ended err
    until_true grep -q "^b''" peer
    [ ! -e s ] || fail 'the file stays'
    # One that does not want to, is not waited for after a second signal.
    server activate --accept ./s -- sh -c 'trap "" TERM; echo $$; exec sleep 15'
    peer_behind seqpacket ./s 's.connect(at); time.sleep(15)'
    until_true test -s out
    pids="$pids $(cat out)"
    kill "$pid"
    until_true test ! -e s
    kill -0 "$pid" || fail 'not waited for'
    stopped 0
}

# A child that is ended before it has become the program.
activation_ends_a_child_at_once()
{
    need strace
    strace -o /dev/null true 2>/dev/null || skip 'no tracing here'
    rm -f err
    ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 strace -D -f -o trace -e trace=dup2,dup3 \
        -e inject=dup2,dup3:delay_enter=1500000 "$unx" activate --accept ./s -- sleep 15 >out 2>err &
    pid=$!
    pids="$pids $pid"
    until_true grep -q listening err
    peer_behind seqpacket ./s 's.connect(at); time.sleep(15)'
    until_true grep -q . "/proc/$pid/task/$pid/children"
    child=$(tr -d ' ' <"/proc/$pid/task/$pid/children")
    is_unx "$child" || skip 'it was too fast'
    stopped 0
    gone "$child" 2>/dev/null || fail 'it lives'
}

activation_allows()
{
    need_root
    chmod 711 "$top" .
    server activate --accept $name -- python3 -c "$handler"
    other 5 "$unx" send $name --data no --reply
    until_true grep -q 'refused: neither this user .*uid 65533' err
    expects 0 "$unx" send $name --data yes --reply
    stopped 0
    server activate --accept --allow user:65533 $name -- python3 -c "$handler"
    other 0 "$unx" send $name --data who --reply >reply
    same "$(cut -d' ' -f4 reply)" 65533 'the user'
    expects 5 "$unx" send $name --data no --reply
    stopped 0
}

run_cases
