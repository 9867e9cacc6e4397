# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2034
# What the tests of the command unx share; they source it, define their cases as functions, and end with run_cases.
#
#     test/test_tool_SUBJECT.sh PATH-TO-UNX [CASE...]
#
# Prints TAP. Each case runs in a subshell with a directory of its own and looks at real output. Waits are bounded and
# end with the event that they wait for. Only processes that were started here are signalled.

case ${1-} in
'') echo "usage: $0 PATH-TO-UNX [CASE...]" >&2; exit 2 ;;
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

# until COMMAND...: waits for it to succeed, at most ten seconds, four times that with HARNESS_SLOWER in the environment
patience=1 pause=0.02 most=500
[ -z "${HARNESS_SLOWER-}" ] || patience=4 pause=0.1 most=400
export patience
until_true()
{
    tries=$most
    while [ $tries -gt 0 ]; do
        if "$@" 2>/dev/null; then return 0; fi
        tries=$((tries - 1))
        sleep $pause
    done
    fail "in vain: $*"
}
gone() { ! kill -0 "$1"; }
counted() { [ "$(grep -c -- "$1" "$2")" -ge "$3" ]; }

# client COMMAND...: runs it, at most 20 seconds, or as much longer; its status goes to $status
client() { status=0; timeout -k 1 $((20 * patience)) "$@" || status=$?; }
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
need_quiet() { [ -z "${UNX_DISTURBED-}" ] || skip "disturbed by $UNX_DISTURBED"; }
need() { command -v "$1" >/dev/null || skip "no $1 here"; }
need_root() { [ "$(id -u)" = 0 ] || skip "not root"; need setpriv; }
json() { python3 -c 'import json,sys
for line in sys.stdin:
    o = json.loads(line)
    print(eval(sys.argv[1]))' "$1"; }
# peer TYPE ADDR PROGRAM: Python with a new socket in s and its address in at; ends after as many seconds at the latest
python='import os, select, signal, socket, sys, time
signal.alarm(20 * int(os.environ["patience"]))
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

# What this kernel knows: pidfds of peers and of senders (Linux 6.5), groups of peers (Linux 4.13), and refusing descriptors (Linux 6.16).
pidfd=no
python3 -c 'import os, socket
a, b = socket.socketpair()
os.close(a.getsockopt(socket.SOL_SOCKET, 77))' 2>/dev/null && pidfd=yes
sender_pidfd=no
python3 -c 'import socket
a, b = socket.socketpair()
a.setsockopt(socket.SOL_SOCKET, 76, 1)' 2>/dev/null && sender_pidfd=yes
need_pidfd() { [ $pidfd = yes ] || skip 'this kernel has no pidfds of peers'; }
groups=no
python3 -c 'import socket
a, b = socket.socketpair()
a.getsockopt(socket.SOL_SOCKET, 59, 256)' 2>/dev/null && groups=yes
need_groups() { [ $groups = yes ] || skip 'this kernel has no groups of peers'; }
groups() { if [ $groups = yes ]; then echo "$*"; else echo unknown; fi; }
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

# run_cases HELPER...: runs every function that the test itself defines, but for these.
run_cases()
{
    while read -r case; do
        case " $* " in *" $case "*) ;; *) run "$case" ;; esac
    done <<END
$(sed -n 's/^\([a-z_0-9]*\)()\( .*\)\{0,1\}$/\1/p' "$self")
END
    echo "1..$number"
    [ "$failures" = 0 ]
}
