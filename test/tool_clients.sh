# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2034,SC2086,SC2154
# Thousands of clients that know what they are owed, and cases that are run on each engine. After tool_lib.sh.

# Clients that know what they are owed. `at` is the address, `kind` the type; new() connects one more.
clients='import os, resource, select, signal, socket, sys, time
patience = int(os.environ["patience"])
signal.alarm(60 * patience)
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
kind, at, text = sys.argv[1:4]
at = "\0" + at[1:] if at[0] == "@" else at
def new(how=kind):
    s = socket.socket(socket.AF_UNIX, getattr(socket, "SOCK_" + how.upper()))
    s.settimeout(20 * patience)
    s.connect(at)
    return s
def echoes(s, wanted):
    # Those of a stream come in parts.
    if kind == "stream":
        wanted = [b"".join(wanted)]
    for w in wanted:
        got = b""
        while len(got) < len(w):
            part = s.recv(len(w) + 1)
            assert part, (got, w)
            got += part
        assert got == w, (got[:80], w[:80])
def fill(s, size):
    # Numbered messages until no more go; returns them.
    s.setblocking(False)
    sent = []
    for i in range(1000000):
        m = (b"%09d" % i).ljust(size, b".")
        try:
            n = s.send(m)
            sent.append(m[:n])
            if n < len(m): break
        except BlockingIOError:
            # A server that is only late has had its turn when it has served somebody else.
            other = new(); other.send(b"."); other.recv(1); other.close()
            if not select.select([], [s], [], 0.5 if patience == 1 else 5)[1]: break
    s.settimeout(20 * patience)
    return sent
def until_gone(*all):
    # Reads nothing, and goes when the server does.
    hung = select.poll()
    for s in all: hung.register(s, 0)
    hung.poll(20000 * patience)
exec(text)'
load() { timeout -k 1 $((90 * patience)) python3 -c "$clients" "$@" || fail "clients: status $?"; }
load_behind()
{
    rm -f peer
    timeout -k 1 $((90 * patience)) python3 -c "$clients" "$@" >peer 2>&1 &
    peer=$!
    pids="$pids $peer"
}
# said WORD: the clients in the background have come so far, or have ended
said() { until_true grep -Eq "$1|Error|Traceback" peer; has "$1" peer; }
loaded() { wait "$peer" || fail "clients: $(cat peer)"; }

descriptors() { find "/proc/$1/fd" -mindepth 1 | wc -l; }
# comes_to N: as many descriptors of the server are open in the end
has_descriptors() { [ "$(descriptors "$pid")" = "$1" ]; }
comes_to()
{
    tries=$most
    while [ $tries -gt 0 ] && ! has_descriptors "$1"; do
        tries=$((tries - 1))
        sleep $pause
    done
    same "$(descriptors "$pid")" "$1" "$engine: descriptors of the server"
}
sanitized() { ldd "$unx" | grep -q libasan; }
sockets() { find "/proc/$1/fd" -lname 'socket:*' | wc -l; }
has_sockets() { [ "$(sockets "$pid")" = "$1" ]; }
# What the server has open while it has nothing to do: some of it is opened when the first client comes.
at_rest()
{
    listening=$(sockets "$pid")
    load "$1" "$name" 's = new(); s.send(b"first"); echoes(s, [b"first"])'
    # That the client has ended does not mean that the server has seen it.
    until_true has_sockets "$listening"
    before=$(descriptors "$pid")
}
room_for()
{
    # shellcheck disable=SC3045
    ulimit -S -n "$(ulimit -H -n)" && [ "$(ulimit -S -n)" = unlimited ] || [ "$(ulimit -S -n)" -ge "$1" ] ||
        skip "no $1 descriptors here"
}
# works ENGINE
works() { "$unx" recv "$name-try" --engine "$1" --timeout 0 2>try.err; [ $? = 7 ]; }
# each CASE [ENGINE...]: on each engine that works here, or each of these
each()
{
    what=$1
    shift
    [ $# -gt 0 ] || set -- io_uring epoll poll
    for engine in "$@"; do
        works "$engine" || { say "no $engine here"; continue; }
        "$what"
    done
}
