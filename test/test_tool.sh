#!/bin/sh
# SPDX-License-Identifier: MIT
# The command unx, from outside: every verb, every type, every exit status, and other programs as peers.
#
#     test/test_tool.sh PATH-TO-UNX [CASE...]
#
# Prints TAP. Each case runs in a subshell with a directory of its own and looks at real output. Waits are bounded and
# end with the event that they wait for. Only processes that were started here are signalled.
# shellcheck disable=SC2317,SC2329 # run() calls the cases by their names
set -u

case ${1-} in
'') echo "usage: test_tool.sh PATH-TO-UNX [CASE...]" >&2; exit 2 ;;
/*) unx=$1 ;;
*) unx=$(pwd)/$1 ;;
esac
self=$(cd "$(dirname "$0")" && pwd)/$(basename "$0")
shift
only=" $* "
top=$(mktemp -d) || exit 1
number=0
failures=0
pids=
name=
trap 'rm -rf "$top"' EXIT
trap 'exit 1' HUP INT TERM

# The build folder may be where another user cannot go, so the program and its libraries are tried from here.
build=$(dirname "$unx")
mkdir "$top/bin" && chmod 755 "$top" && cp "$unx" "$top/bin/unx" || exit 1
ldd "$unx" 2>/dev/null | sed -n 's/.*libunx[^ ]* => \(.*\) (0x.*/\1/p' | while IFS= read -r library; do
    cp "$library" "$top/bin/" || exit 1
done || exit 1
unx=$top/bin/unx
export LD_LIBRARY_PATH="$top/bin"

# ---- what the cases are made of ----

say() { printf '%s\n' "$*" | sed 's/^/# /' >&3; }
# The file, because a case may run a part of itself in a pipe.
fail()
{
    : >"$top/failed"
    say "$*"
    for f in out err; do
        [ ! -s $f ] || { say "-- $f"; head -c 600 $f | sed 's/^/# /' >&3; echo >&3; }
    done
    end_all
    exit 1
}
skip() { printf '%s\n' "$*" >"$top/skip"; end_all; exit 0; }
same() { [ "$1" = "$2" ] || fail "${3-}: got '$1', not '$2'"; }
has() { grep -q -- "$1" "$2" || fail "no '$1' in $2: $(head -c 300 "$2")"; }
hasnt() { ! grep -q -- "$1" "$2" || fail "'$1' in $2"; }
lines() { wc -l <"$1" | tr -d ' '; }

# until COMMAND...: waits for it to succeed, at most ten seconds
until_true()
{
    tries=500
    while [ $tries -gt 0 ]; do
        if "$@" 2>/dev/null; then return 0; fi
        tries=$((tries - 1))
        sleep 0.02
    done
    fail "in vain: $*"
}
gone() { ! kill -0 "$1"; }
counted() { [ "$(grep -c -- "$1" "$2")" -ge "$3" ]; }

# client COMMAND...: runs it, at most 20 seconds; its status goes to $status
client() { status=0; timeout -k 1 20 "$@" || status=$?; }
# expects STATUS COMMAND...: standard error goes to ./cerr
expects() { want=$1; shift; client "$@" 2>cerr; [ "$status" = "$want" ] || fail "status $status, not $want: $* ($(cat cerr))"; }
# server ARGUMENTS...: unx in the background, output in out and err; waits until it is ready
server()
{
    rm -f out err
    "$unx" "$@" >out 2>err &
    pid=$!
    pids="$pids $pid"
    until_true grep -Eq 'listening|waiting' err
}
# ended STATUS: waits for the server's own end; stopped STATUS: by SIGTERM
ended() { until_true gone_or_zombie "$pid"; wait "$pid"; same $? "$1" "status of the server"; }
stopped() { kill -TERM "$pid"; ended "$1"; }
gone_or_zombie() { case $(sed 's/.*) //; s/ .*//' "/proc/$1/stat") in Z | '') return 0 ;; esac; return 1; }
end_all()
{
    for p in $pids; do kill -9 "$p" 2>/dev/null; done
    # shellcheck disable=SC2086 # a list
    [ -z "$pids" ] || wait $pids 2>/dev/null
    pids=
}
ticks() { sed 's/.*) //' "/proc/$1/stat" | awk '{ print $12 + $13 }'; }
need() { command -v "$1" >/dev/null || skip "no $1 here"; }
need_root() { [ "$(id -u)" = 0 ] || skip "not root"; need setpriv; }
json() { python3 -c 'import json,sys
for line in sys.stdin:
    o = json.loads(line)
    print(eval(sys.argv[1]))' "$1"; }
# peer TYPE ADDR PROGRAM: Python with a new socket in s and its address in at; ends after 20 seconds at the latest
python='import os, signal, socket, sys, time
signal.alarm(20)
kind, at, text = sys.argv[1:4]
s = socket.socket(socket.AF_UNIX, getattr(socket, "SOCK_" + kind.upper()))
at = "\0" + at[1:] if at[0] == "@" else at
exec(text)'
peer() { python3 -c "$python" "$@" || fail "peer: status $?"; }
# The same in the background, with its output in the file peer
peer_behind()
{
    rm -f peer
    python3 -c "$python" "$@" >peer 2>&1 &
    peer=$!
    pids="$pids $peer"
}

# other STATUS COMMAND...: as expects, as another user
other() { want=$1; shift; expects "$want" setpriv --reuid=65533 --regid=65532 --clear-groups "$@"; }
# Whether a process is unx still, or has become the program that it was to run.
is_unx() { [ "$(readlink "/proc/$1/exe")" = "$(readlink -f "$unx")" ]; }
became() { ! is_unx "$1"; }
need_libsystemd() { python3 -c 'import ctypes; ctypes.CDLL("libsystemd.so.0")' 2>/dev/null || skip 'no libsystemd here'; }
# near SECONDS: whether a time on standard input is so close to now
near() { python3 -c 'import datetime, sys, time
t = datetime.datetime.strptime(sys.stdin.read().strip()[:19] + "+0000", "%Y-%m-%dT%H:%M:%S%z").timestamp()
sys.exit(abs(time.time() - t) > float(sys.argv[1]))' "$1"; }

# What this kernel knows: pidfds of peers and of senders (Linux 6.5), and refusing descriptors (Linux 6.16).
pidfd=no
python3 -c 'import os, socket
a, b = socket.socketpair()
os.close(a.getsockopt(socket.SOL_SOCKET, 77))' 2>/dev/null && pidfd=yes
need_pidfd() { [ $pidfd = yes ] || skip 'this kernel has no pidfds of peers'; }
need_refusal()
{
    python3 -c 'import socket
a, b = socket.socketpair()
a.getsockopt(socket.SOL_SOCKET, 83)' 2>/dev/null || skip 'this kernel cannot refuse descriptors'
}

# A case fails by fail() alone.
run()
{
    case $only in '  ' | *" $1 "*) ;; *) return ;; esac
    number=$((number + 1))
    # What a case that failed has left behind is not in the way of the next.
    name=@unx-test-$$-$number
    mkdir "$top/$1"
    rm -f "$top/skip" "$top/failed"
    if (cd "$top/$1" && "$1"; end_all) 3>&1 >"$top/log" 2>&1 && [ ! -f "$top/failed" ]; then
        if [ -f "$top/skip" ]; then
            echo "ok $number - $1 # SKIP $(cat "$top/skip")"
        else
            echo "ok $number - $1"
        fi
    else
        sed 's/^/# /' "$top/log"
        echo "not ok $number - $1"
        failures=$((failures + 1))
    fi
    rm -rf "${top:?}/$1"
}

# ---- arguments ----

help_and_version()
{
    expects 0 "$unx" --help >help
    for verb in listen connect send recv peer addr activate; do
        has "^  $verb " help
        expects 0 "$unx" $verb --help >verb.help
        has "^Usage: unx $verb " verb.help
        [ $verb = activate ] || has "^  --json" verb.help
        has "^  --help" verb.help
    done
    expects 0 "$unx" --version >version
    grep -Eqx 'unx [0-9]+\.[0-9]+\.[0-9]+' version || fail "$(cat version)"
}

# bad WORD ARGUMENTS...: status 2, nothing on standard output, one line on standard error that has WORD
bad()
{
    word=$1
    shift
    client "$unx" "$@" </dev/null >bad.out 2>bad.err
    same "$status" 2 "unx $*"
    [ ! -s bad.out ] || fail "unx $*: something on standard output"
    same "$(lines bad.err)" 1 "lines of unx $*"
    has "^unx" bad.err
    has "$word" bad.err
}

bad_arguments()
{
    bad 'listen, connect, send, recv, activate, peer or addr'
    bad 'not a verb' nosuch
    bad 'not a verb' ''
    bad 'not an option' --nosuch
    for verb in listen connect send recv peer; do
        bad 'ADDR is missing' $verb
        bad 'not an option of this verb' $verb --nosuch @x
        bad 'no short options' $verb -x @x
        bad 'takes no value' $verb --json=1 @x
        bad 'its value is missing' $verb @x --type
        bad 'seqpacket, stream and dgram' $verb --type tcp @x
        bad 'not a number' $verb --timeout soon @x
        bad 'not a number' $verb --timeout -1 @x
        bad 'not a number' $verb --timeout 99999999999999999999 @x
        bad 'one ADDR is enough' $verb @x @y
        bad 'an empty address' $verb ''
        bad 'at most 107 bytes' $verb "@$(printf '%0108d' 0)"
        bad 'a bad escape' $verb '/x\q'
        bad 'a bad escape' $verb '/x\x0'
        bad 'a bad escape' $verb '/x\0'
        bad 'a bad escape' $verb "/$(printf '%0300d' 0)\\"
    done
    bad 'TEXT is missing' addr
    bad 'an empty address' addr ''
    bad 'one TEXT is enough' addr a b
    bad 'not an option of this verb' addr --type stream x
    bad 'no program after --' listen @x --
    bad 'no program after --' recv @x --
    bad 'goes after --' recv @x cat
    bad 'one or the other' listen --echo @x -- cat
    bad 'no mode' listen --mode 600 @x
    bad 'octal' recv --mode 888 ./x
    bad 'no connections' listen --type dgram --backlog 3 @x
    bad 'no connections' recv --type dgram --backlog 3 @x
    bad 'not a number' listen --max 0 @x
    bad 'not a number' listen --backlog many @x
    bad 'not a number' recv --count 0 @x
    bad 'no packets' send --type stream --lines @x
    bad 'no packets' send --type stream --empty @x
    bad 'no packets' connect --type stream --lines @x
    bad 'one or the other' send --lines --data x @x
    bad 'one or the other' send --lines --empty @x
    bad 'say --reply too' send --json --data x @x
    bad 'say --reply too' send --no-fds --data x @x
    bad 'say --reply too' send --quiet --data x @x
    bad 'not an open descriptor' send --fd 77 --data x @x
    bad 'not an open descriptor' connect --fd 99999999999 @x
    bad 'empty; give a path' send --fd '' --data x @x
    for verb in listen recv; do
        bad 'write user:NAME' $verb --allow '' @x
        bad 'write user:NAME' $verb --allow root, @x
        bad 'write user:NAME' $verb --allow 0 @x
        bad 'no such user' $verb --allow user:nosuch-user @x
        bad 'no such user' $verb --allow user: @x
        bad 'no such user' $verb --allow user:-1 @x
        bad 'no such user' $verb --allow user:4294967295 @x
        bad 'no such group' $verb --allow root,group:nosuch-group @x
        bad 'names nobody' $verb --allow user:65534 @x
        bad 'names nobody' $verb --allow group:65534 @x
        bad 'leave out the others' $verb --allow anyone --allow root @x
        bad 'a stream has no messages' $verb --type stream --time @x
    done
    bad 'not an option of this verb' send --allow root @x
    bad 'not an option of this verb' connect --pidfd @x
    bad 'ADDR... is missing' activate
    bad 'ADDR... is missing' activate -- true
    bad 'PROGRAM is missing' activate @x
    bad 'no program after --' activate @x --
    bad 'not an option of this verb' activate --json @x -- true
    bad 'not an option of this verb' listen --accept @x
    bad 'datagrams have no connections' activate --type dgram --accept @x -- true
    bad 'datagrams have no connections' activate --type dgram --backlog 1 @x -- true
    bad 'without --accept' activate --children 3 @x -- true
    bad 'without --accept' activate --allow root @x -- true
    bad 'not a number' activate --accept --children 0 @x -- true
    bad '1 for 2 addresses' activate --name a @x @y -- true
    bad '2 for 1 addresses' activate --name a --name b @x -- true
    bad 'without : and' activate --name a:b @x -- true
    bad 'without : and' activate --name 'a\\b' @x -- true
    bad 'without : and' activate --name "$(printf '%0256d' 0)" @x -- true
    bad 'has no file' activate --mode 600 ./x @x -- true
    bad 'a bad escape' activate ./x '/\q' -- true
    bad 'do not tell' peer --type dgram @x
    [ ! -e x ] || fail 'a file was made'
}

addresses()
{
    expects 0 "$unx" addr '@a\x00\x0ab' >out
    has '^kind: abstract$' out
    has '^length: 4 bytes$' out
    has '^text: @a\\x00\\x0ab$' out
    expects 0 "$unx" addr ./@x >out
    has '^kind: path, relative$' out
    expects 0 "$unx" addr '\x40x' >out
    has '^text: \\x40x$' out
    same "$("$unx" addr --json '\x40x' | json 'o["kind"], o["name"], o["length"], o["absolute"], o["fits"]')" \
        "('path', '@x', 2, False, True)" 'json'
    same "$("$unx" addr --json '@\xff' | json 'o["name_base64"], o["length"]')" "('/w==', 1)" 'json'
    same "$("$unx" addr --json @ | json 'o["kind"], o["length"]')" "('abstract', 0)" 'the empty name'
}

long_address_text()
{
    long=/$(printf '%0200d' 0)
    expects 0 "$unx" addr "\\x40$long\\\\\\xff" >out
    has '^length: 204 bytes$' out
    has '^note: longer than' out
    text=$(sed -n 's/^text: //p' out)
    same "$text" "\\x40$long\\\\\\xff" 'canonical'
    same "$("$unx" addr --json "$long" | json 'o["fits"], o["length"]')" '(False, 201)' 'json'
}

# ---- messages of every type ----

# one_message TYPE
one_message()
{
    server recv $name --type "$1" --cred
    printf 'h"\\\n\001\377' | expects 0 "$unx" send $name --type "$1"
    ended 0
    has '^message 1.*: 6 bytes$' out
    has '^  data: "h\\"\\\\\\n\\x01\\xff"$' out
    has "^  sender: pid [0-9]*, uid $(id -u), gid $(id -g)," out
    has ", pidfd $pidfd, " out
}
message_seqpacket() { one_message seqpacket; }
message_stream() { one_message stream; }
message_dgram() { one_message dgram; }

echo_seqpacket()
{
    server listen $name --echo
    head -c 20000 /dev/urandom >data
    expects 0 "$unx" send $name --reply <data >reply
    cmp data reply || fail 'send --reply'
    expects 0 "$unx" connect $name <data >reply
    cmp data reply || fail connect
    printf 'a\n\nbb' | expects 0 "$unx" connect $name --lines >reply
    same "$(cat reply)" "$(printf 'a\n\nbb')" 'connect --lines'
    printf 'a\n\nbb' | expects 0 "$unx" send $name --reply --lines >reply
    same "$(cat reply)" "$(printf 'a\n\nbb')" 'send --reply --lines'
    stopped 0
    same "$(grep -c '^message' out)" 8 'messages'
}
echo_stream()
{
    server listen $name --type stream --echo
    head -c 3000000 /dev/urandom >data
    expects 0 "$unx" connect $name --type stream <data >reply
    cmp data reply || fail connect
    expects 0 "$unx" send $name --type stream --reply <data >reply
    cmp data reply || fail send
    expects 0 "$unx" send $name --type stream --data text --reply >reply
    same "$(cat reply)" text 'send --data'
    expects 2 "$unx" send $name --type stream </dev/null
    has 'nothing was sent' cerr
    stopped 0
}
echo_dgram()
{
    server listen $name --type dgram --echo
    head -c 100000 /dev/urandom >data
    expects 0 "$unx" send $name --type dgram --reply <data >reply
    cmp data reply || fail reply
    seq 200 >data
    expects 0 "$unx" connect $name --type dgram --lines --timeout 1000 <data >reply
    cmp data reply || fail "connect: $(lines reply) lines"
    stopped 0
    server listen $name --type dgram --echo
    expects 0 "$unx" send $name --type dgram --data x
    until_true grep -q '^message 1:' out
    stopped 6
    has 'its sender has no address' err
}

json_output()
{
    exec 8<"$self"
    server listen $name --json --cred
    printf 'gr\303\274\303\237e "\\\n\t\000' | expects 0 "$unx" send $name --fd /etc/passwd --fd 8 --fd / --cred
    printf '\377\376' | expects 0 "$unx" send $name
    until_true counted message out 2
    stopped 0
    while IFS= read -r line; do printf '%s' "$line" | python3 -m json.tool >/dev/null || fail "$line"; done <out
    same "$(head -n 1 out | json 'o["data"] == "grüße \"\\\n\t\0" and o["length"] == 13')" True data
    same "$(head -n 1 out | json '[f["kind"] for f in o["fds"]], o["fds"][0]["path"], o["fds"][0]["access"]')" \
        "(['file', 'file', 'directory'], '/etc/passwd', 'read-only')" fds
    same "$(head -n 1 out | json 'o["peer"]["uid"], o["sender"]["uid"], o["peer"]["pidfd"]')" \
        "($(id -u), $(id -u), $(if [ $pidfd = yes ]; then echo True; else echo False; fi))" ids
    same "$(tail -n 1 out | json 'o["data_base64"], o["fds"], o["message"], o["connection"]')" "('//4=', [], 2, 2)" bytes
}

empty_packets()
{
    server listen $name --echo
    expects 2 "$unx" send $name </dev/null
    has '--empty sends an empty packet' cerr
    expects 2 "$unx" send $name --data ''
    expects 2 "$unx" send $name --lines </dev/null
    expects 3 "$unx" send $name --empty --reply </dev/null >reply
    has 'an empty packet came' cerr
    [ ! -s reply ] || fail 'bytes out of nothing'
    same "$("$unx" send $name --empty --reply --json </dev/null | json 'o["length"]')" 0 json
    expects 0 "$unx" send $name --empty --reply --quiet </dev/null
    printf '\n\n' | expects 0 "$unx" connect $name --lines >reply
    same "$(lines reply)" 2 'two empty packets'
    stopped 0
    same "$(grep -c ': 0 bytes$' out)" 5 'empty packets'
}

empty_packet_before_the_end()
{
    server listen $name --echo
    peer seqpacket $name 's.connect(at); s.send(b""); s.send(b"x"); s.send(b""); s.close()'
    until_true counted '^message' out 3
    stopped 5
    same "$(grep -c ': 0 bytes$' out)" 2 'empty packets'
}

empty_packet_before_the_server_ends()
{
    peer_behind seqpacket $name 's.bind(at); s.listen(); print("listening", flush=True)
for i in range(2):
    c, _ = s.accept(); c.send(b"x"); c.send(b""); c.close()'
    until_true grep -q listening peer
    expects 3 "$unx" connect $name </dev/null >got
    has 'an empty packet came' cerr
    same "$(cat got)" x bytes
    expects 0 "$unx" connect $name --lines </dev/null >got
    same "$(lines got)" 2 'lines'
}

lines_and_whole()
{
    server recv $name --count 4
    printf 'one\ntwo\nthree' | expects 0 "$unx" send $name --lines
    printf 'one\ntwo\nthree' | expects 0 "$unx" send $name
    ended 0
    same "$(sed -n 's/^  data: //p' out | tr '\n' ' ')" '"one" "two" "three" "one\ntwo\nthree" ' data
}

line_end_inside()
{
    server listen $name --echo
    # As bytes it is what it is; as lines it would be two.
    expects 0 "$unx" send $name --reply --data "$(printf 'a\nb')" >reply
    same "$(cat reply)" "$(printf 'a\nb')" bytes
    stopped 0
    server listen $name -- printf 'a\nb\n'
    echo x | expects 3 "$unx" connect $name --lines >reply
    has 'has line ends inside' cerr
    stopped 0
    server listen $name --echo
    expects 0 "$unx" connect $name --lines <"$self" >reply
    cmp "$self" reply || fail 'lines'
    stopped 0
}

too_large()
{
    server listen $name
    head -c 5000000 /dev/zero >data
    expects 3 "$unx" send $name <data
    has 'a packet of 5000000 bytes is .*nothing of it was sent' cerr
    expects 3 "$unx" connect $name <data
    printf 'ok\n' | cat - data | expects 3 "$unx" send $name --lines
    has '1 packet went before this one' cerr
    until_true grep -q '"ok"' out
    stopped 0
    same "$(grep -c '^message' out)" 1 messages
}

larger_than_the_default()
{
    [ "$(cat /proc/sys/net/core/wmem_max)" -ge 300000 ] || skip 'this system allows no larger send buffer'
    server listen $name -- cat
    head -c 300000 /dev/urandom >data
    expects 0 "$unx" send $name --reply <data >reply
    cmp data reply || fail send
    expects 0 "$unx" connect $name <data >reply
    cmp data reply || fail connect
    stopped 0
}

max_of_the_server()
{
    server listen $name --max 1000
    head -c 1001 /dev/zero | expects 0 "$unx" send $name
    head -c 1000 /dev/zero | expects 0 "$unx" send $name
    until_true grep -q '^message 1 .* 1000 bytes' out
    stopped 3
    has '1001 bytes is larger than the 1000 that --max allows' err
    same "$(grep -c '^message' out)" 1 messages
    server listen $name --max 1000 --type stream -- wc -c
    head -c 1001 /dev/zero | expects 5 "$unx" send $name --type stream --reply
    head -c 1000 /dev/zero | expects 0 "$unx" send $name --type stream --reply >reply
    same "$(cat reply)" 1000 'the next one'
    stopped 3
}

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
        "$unx" listen $name --no-fds --timeout 2000 >out 2>err &
    pid=$!
    pids="$pids $pid"
    until_true grep -q listening err
    expects 0 "$unx" send $name --data x --fd /etc/passwd
    expects 0 "$unx" send $name --data y
    ended 4
    has 'came with descriptors, which --no-fds refuses; dropped' err
    has '"y"' out
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
    for _ in $(seq 9); do args="$args --fd /etc/passwd"; done
    # shellcheck disable=SC2086
    expects 0 "$unx" send $name --data x $args
    # Two connections are two descriptors, so that nine more find no room.
    peer_behind seqpacket $name 'r = [socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(8)]
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
    sleep 0.5
    [ "$(ticks "$pid")" -lt 10 ] || fail "$(ticks "$pid") ticks"
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
    same "$(grep -c 'waiting (seqpacket)' err)" 3 'said of each'
    peer_behind seqpacket "$name-3" 's.connect(at); time.sleep(15)'
    until_true grep -q open out
    expects 0 "$unx" send $name --data y --reply >reply
    same "$(cat reply)" 'y 0' reply
    ended 0
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
    has 'this user and root are admitted' err
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

# ---- addresses in use ----

long_paths()
{
    dir=$(printf '%0150d' 0)/$(printf '%0150d' 1)
    mkdir -p "$dir"
    for type in seqpacket stream dgram; do
        server listen "$dir/s" --type $type --echo
        expects 0 "$unx" send "$dir/s" --type $type --data "$type" --reply >reply
        same "$(cat reply)" $type reply
        printf x | expects 0 "$unx" connect "$(pwd)/$dir/s" --type $type --timeout 500 >reply
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
        # A shell makes its background jobs ignore SIGINT, and unx leaves that as it is.
        python3 -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
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
    has '^  peer: pid [0-9]*, uid 65533, gid 65532, groups 100 200, pidfd ' out
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
    has '^  peer: pid [0-9]*, uid 65533, gid 65532, groups none, pidfd ' out
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
    for i in 1 2; do expects 0 "$unx" send $name --type dgram --data root; done
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
        server listen $name --type $type --timeout 600
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
        mkfifo in.$type
        "$unx" connect $name --type $type --lines <in.$type &
        c=$!
        pids="$pids $c"
        exec 8>in.$type
        echo first >&8
        until_true grep -q '"first"' out
        # Sent while nobody reads: the time is that of sending.
        kill -STOP "$pid"
        echo second >&8
        sleep 1.2
        before=$(date +%s%N)
        kill -CONT "$pid"
        until_true grep -q '"second"' out
        exec 8>&-
        kill $c 2>/dev/null
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
        "$unx" recv ./s --type stream --pidfd --timeout 3000 >out 2>err
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
for i in range(2):
    c, _ = s.accept(); c.recv(10); c.send(b"r1"); c.send(b"r2"); time.sleep(0.2); c.close()'
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
time.sleep(0.3)
for i in range(20): assert s.recv(10) == b"%d" % i'
    # And of one that never reads, they are dropped.
    peer dgram $name 's.bind("")
for i in range(20): s.sendto(b"x", at)
time.sleep(2)'
    expects 0 "$unx" send $name --type dgram --data y --reply >reply
    same "$(cat reply)" y reply
    has 'had no room for it for 1000 ms; dropped' err
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
    "$unx" listen ./s 2>err | head -n 1 >first &
    pids="$pids $!"
    until_true grep -q listening err
    expects 0 "$unx" send ./s --data one
    until_true grep -q '^message 1' first
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
    until_true test -S cut
    expects 0 "$unx" send ./cut <data
    until_true test -s cut.out
    say "socat got $(wc -c <cut.out | tr -d ' ') bytes of 20000"
    server recv $name -- cat
    expects 0 "$unx" send $name <data
    ended 0
    cmp data out || fail 'unx has cut it too'
}

while read -r case; do
    run "$case"
done <<END
$(sed -n '/^# ---- arguments/,$s/^\([a-z_0-9]*\)()\( .*\)\{0,1\}$/\1/p' "$self" | grep -vx -e bad -e one_message)
END
echo "1..$number"
[ "$failures" = 0 ]
