#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs every example for real and looks at what it prints. TAP on standard output.
#
#     test/test_examples.sh BUILD/examples
#
# (test_examples_allow.sh: who is let in; test_examples_service.sh: those of service managers.)
# shellcheck disable=SC1091,SC2154 # examples.sh sets bin, dir, here, count, failures and server
set -u

. "$(dirname "$0")/examples.sh"

usage_of_all()
{
    for name in allow credentials echo listener log_server manager own_poll pass_fd privsep stream upgrade; do
        exits 2 "$bin/example_$name" || return 1
        grep -q "^usage: $name " "$dir/err" || return 1
    done
}

echo_answers()
{
    start echo serve "$here-echo" || return 1
    before=$(descriptors)
    for text in hello '' 'two  words' 'grüße'; do
        equal answer "$(client echo ask "$here-echo" "$text")" "$text" || return 1
    done
    closed_all "$before"
}

echo_path()
{
    start echo serve "$dir/echo.sock" || return 1
    equal answer "$(client echo ask "$dir/echo.sock" hello)" hello
}

echo_refusals()
{
    exits 1 client echo ask "$here-nobody" hello || return 1
    grep -q '^echo: connect: .' "$dir/err" || return 1
    start echo serve "$here-echo" || return 1
    exits 1 client echo serve "$here-echo" || return 1
    grep -q '^echo: listen: .' "$dir/err" || return 1
    exits 1 client echo ask '' hello
}

pass_fd_file()
{
    printf 'first line\nsecond line\n' >"$dir/file"
    start pass_fd take "$here-files" || return 1
    exits 0 client pass_fd give "$here-files" "$dir/file" || return 1
    wait "$server"
    equal 'status of the receiver' $? 0 || return 1
    server=
    equal 'the file' "$(tail -n 2 "$dir/server")" "$(cat "$dir/file")"
}

# refused REASON GIVE-ARGUMENT: standard input goes to the giver.
refused()
{
    start pass_fd take "$here-files" || return 1
    client pass_fd give "$here-files" "$2" || return 1
    wait "$server"
    equal 'status of the receiver' $? 1 || return 1
    server=
    grep -q "descriptor refused: $1" "$dir/server.err"
}

pass_fd_refusals()
{
    echo text >"$dir/file"
    refused 'not a regular file' "$dir" || return 1
    refused 'not a regular file' /dev/null || return 1
    refused 'writable' - <>"$dir/file" || return 1
    mkfifo "$dir/fifo" || return 1
    refused 'not a regular file' - <>"$dir/fifo"
}

credentials_three()
{
    start credentials serve "$here-who" || return 1
    before=$(descriptors)
    exits 0 client credentials say "$here-who" 'hello' || return 1
    seen "$dir/server" '^end of the connection$' || return 1
    if grep -q '^opener: .*cannot do that' "$dir/server"; then
        echo 'SKIP this kernel has no pidfd of a peer'
        return 0
    fi
    ids="uid $(known "$(id -u)" unknown) gid $(known "$(id -g)" unknown)"
    opener=$(sed -n 's/^opened by: //p' "$dir/server")
    first=$(sed -n 's/^message from: //p' "$dir/server" | head -n 1)
    second=$(sed -n 's/^message from: //p' "$dir/server" | tail -n 1)
    equal 'ids of the opener' "${opener#pid * }" "$ids" || return 1
    equal 'first sender' "$first" "$opener" || return 1
    equal 'ids of the second sender' "${second#pid * }" "$ids" || return 1
    if [ "$second" = "$opener" ]; then
        echo '# the child was taken for its parent'
        return 1
    fi
    equal 'process there while it waits' "$(grep -c '^opener: still there$' "$dir/server")" 2 || return 1
    closed_all "$before"
}

privsep_asks()
{
    echo secret >"$dir/secret"
    echo other >"$dir/other"
    ln -s secret "$dir/link"
    chmod 600 "$dir/secret" "$dir/other"
    exits 0 client privsep "$dir/secret" "$dir/link" "$dir/missing" -- \
        "$dir/secret" "$dir/other" "$dir/link" "$dir/missing" || return 1
    grep -q "^child: $dir/secret: the parent says: here it is\$" "$dir/out" || return 1
    grep -q "^child: $dir/secret: read 7 bytes\$" "$dir/out" || return 1
    grep -q "^child: $dir/other: the parent says: not on the list\$" "$dir/out" || return 1
    equal 'files that were opened' "$(grep -c 'here it is' "$dir/out")" 1 || return 1
    if [ "$(id -u)" != 0 ]; then
        grep -q '^child: not root' "$dir/out"
        return
    fi
    grep -q '^child: now uid 65534 gid 65534$' "$dir/out" || return 1
    equal 'files that the child can open' "$(grep -c 'opened by myself: yes' "$dir/out")" 0
}

log_lines()
{
    start log_server serve "$here-log" || return 1
    long=$(printf '%0900d' 0)
    printf 'one\nbell \007 and \033[1m\n%s\nlast\n' "$long" | client log_server log "$here-log" || return 1
    seen "$dir/server" ': last$' || return 1
    grep -q "^20[0-9-]*T[0-9:]*Z uid $(known "$(id -u)" -1) pid [0-9]*: one\$" "$dir/server" || return 1
    grep -q ': bell ? and ?\[1m$' "$dir/server" || return 1
    grep -q ': 0000* \[388 bytes more\]$' "$dir/server"
}

# The server is stopped: some lines are queued, the others are lost and counted, and the client is not held up.
log_full()
{
    start log_server serve "$here-log" || return 1
    kill -STOP "$server"
    seq 1000 | client log_server log "$here-log" 2>"$dir/err"
    equal 'status of the client' $? 1 || return 1
    kill -CONT "$server"
    lost=$(sed -n 's/^log_server: \([0-9]*\) lines lost$/\1/p' "$dir/err")
    # Until they are read there is no room for another.
    lines "$dir/server" ' uid ' $((1000 - lost)) || return 1
    echo end | client log_server log "$here-log" || return 1
    seen "$dir/server" ': end$' || return 1
    equal 'queued, lost, and the last' "$(($(grep -c ' uid ' "$dir/server") + lost))" 1001
}

log_no_server()
{
    exits 1 client log_server log "$here-nobody" || return 1
    grep -q '^log_server: connect: .' "$dir/err"
}

poll_packets()
{
    start own_poll seqpacket "$here-poll" || return 1
    before=$(descriptors)
    for i in 1 2 3 4 5 6 7 8; do
        client echo ask "$here-poll" "text $i" >"$dir/answer.$i" &
        eval "pid_$i=\$!"
    done
    for i in 1 2 3 4 5 6 7 8; do
        eval "wait \$pid_$i" || return 1
        equal "answer $i" "$(cat "$dir/answer.$i")" "text $i" || return 1
    done
    equal 'empty answer' "$(client echo ask "$here-poll" '')" '' || return 1
    seen "$dir/server" ': an empty packet, which is not the end$' || return 1
    lines "$dir/server" ': the end$' 9 || return 1
    closed_all "$before"
}

# A client that does not read its answers, and one that sends nothing, hold up nobody else.
poll_stream()
{
    start own_poll stream "$here-poll" || return 1
    head -c 3000000 /dev/urandom >"$dir/bytes"
    mkfifo "$dir/idle" "$dir/slow" || return 1
    client stream "$here-poll" <"$dir/idle" >/dev/null &
    idle=$!
    exec 3>"$dir/idle"
    client stream "$here-poll" <"$dir/bytes" >"$dir/slow" 3>&- &
    slow=$!
    exec 4<"$dir/slow"
    seen "$dir/server" 'bytes, the rest later$' || return 1
    equal 'answer to a third' "$(echo hello | client stream "$here-poll" 3>&- 4<&-)" hello || return 1
    # In steps, so that the server's buffers fill up again and again, and its sends stop half way.
    {
        for _ in 1 2 3 4 5; do
            head -c 400000
            sleep 0.1
        done
        cat
    } <&4 | cmp "$dir/bytes" - || return 1
    wait "$slow" || return 1
    seen "$dir/server" ': [1-9][0-9]* of [0-9]* bytes, the rest later$' || return 1
    exec 3>&- 4<&-
    wait "$idle"
}

# The table is full before the first client comes, so that none can make room by leaving.
poll_full()
{
    python3 -c 'import os, resource, sys
for number in range(3, 80):
    os.dup2(0, number)
resource.setrlimit(resource.RLIMIT_NOFILE, (81, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
os.execv(sys.argv[1], sys.argv[1:])' "$bin/example_own_poll" seqpacket "$here-poll" >"$dir/server" 2>"$dir/server.err" &
    server=$!
    seen "$dir/server" '^listening$' || return 1
    client echo ask "$here-poll" hello >"$dir/out" 2>&1 &
    asking=$!
    sleep 0.4
    equal 'answer so far' "$(cat "$dir/out")" '' || return 1
    prlimit --pid "$server" --nofile=200: || return 1
    wait "$asking"
    equal 'answer' "$(cat "$dir/out")" hello
}

control_items()
{
    exits 0 client control || return 1
    grep -q '^5 bytes of data, ' "$dir/out" || return 1
    grep -q ", credentials of uid $(id -u)\$" "$dir/out" || return 1
    grep -q ', 2 descriptors$' "$dir/out" || return 1
    grep -q '^one taken: ok$' "$dir/out" || return 1
    grep -q '^closed by the reader: 1$' "$dir/out"
}

# The server that serves now, after any number of upgrades.
serving()
{
    sed -n 's/^serving: pid \([0-9]*\),.*/\1/p' "$dir/server" | tail -n 1
}

# Sends requests to a server that is upgraded meanwhile; then its file is replaced by one that fails, and it serves on.
upgrade_under_load()
{
    if ! python3 -c 'import os; os.memfd_create("x")' 2>/dev/null; then
        echo 'SKIP this kernel has no files of memory'
        return 0
    fi
    ln -s "$(realpath "$bin")/example_upgrade" "$dir/upgrade" || return 1
    "$dir/upgrade" serve "$dir/upgrade.sock" >"$dir/server" 2>"$dir/server.err" &
    server=$!
    seen "$dir/server" '^serving: ' || return 1
    before=$(descriptors)
    for i in 1 2 3; do
        client upgrade ask "$dir/upgrade.sock" 10000 >"$dir/answer.$i" 2>&1 &
        eval "pid_$i=\$!"
    done
    for i in 1 2 3 4 5 6; do
        kill -HUP "$server"
        lines "$dir/server" '^serving: ' $((i + 1)) || return 1
        lines "$dir/server" '^handed over: ' "$i" || return 1
        server=$(serving)
    done
    for i in 1 2 3; do
        eval "wait \$pid_$i"
        equal "status of client $i" $? 0 || return 1
        grep -q '^10000 answers, the last one: 10000 ' "$dir/answer.$i" || return 1
    done
    printf '#!/bin/sh\nexit 1\n' >"$dir/upgrade.new"
    chmod 755 "$dir/upgrade.new"
    mv "$dir/upgrade.new" "$dir/upgrade" || return 1
    kill -HUP "$server"
    seen "$dir/server.err" '^upgrade: hand over: ' || return 1
    equal 'the next answer' "$(client upgrade ask "$dir/upgrade.sock" 1)" '1 answers, the last one: 1 30001' || return 1
    closed_all "$before"
}

# A daemon's life: started twice, killed, started again, replaced under load, ended.
listener_life()
{
    start listener "$dir/sock" || return 1
    before=$(descriptors)
    equal answer "$(client echo ask "$dir/sock" hello)" hello || return 1
    equal 'mode of the file' "$(stat -c %a "$dir/sock")" 660 || return 1
    exits 1 client listener "$dir/sock" || return 1
    grep -q "^listener: $dir/sock: the name is taken" "$dir/err" || return 1
    closed_all "$before" || return 1
    kill -KILL "$server"
    wait "$server" 2>/dev/null
    start listener "$dir/sock" || return 1
    (for i in 1 2 3 4 5 6 7 8 9 10 11 12; do client echo ask "$dir/sock" "$i"; done) >"$dir/out" 2>"$dir/err" &
    asking=$!
    for i in 1 2 3; do
        first=$server
        cp "$dir/server" "$dir/server.$i"
        start listener "$dir/sock" replace || return 1
        kill "$first"
        wait "$first" || return 1
    done
    wait "$asking"
    equal 'answers' "$(tr '\n' ' ' <"$dir/out")" '1 2 3 4 5 6 7 8 9 10 11 12 ' || return 1
    kill "$server"
    wait "$server"
    equal 'status of the server' $? 0 || return 1
    server=
    grep -q '^stopped, [0-9]* served$' "$dir/server" || return 1
    equal 'files' "$(find "$dir" -name 'sock*' | wc -l)" 0
}

check 'every example says how it is used' usage_of_all
check 'echo: texts and an empty one come back' echo_answers
check 'echo: on a path' echo_path
check 'echo: nobody there, a name in use, no address' echo_refusals
check 'pass_fd: the file arrives' pass_fd_file
check 'pass_fd: what is no file, or writable, is refused' pass_fd_refusals
check 'credentials: who opened, who sent, still there' credentials_three
check 'privsep: the list decides' privsep_asks
check 'log_server: lines, stamps, cuts' log_lines
check 'log_server: a server that does not read' log_full
check 'log_server: no server' log_no_server
check 'own_poll: many clients, empty packets' poll_packets
check 'own_poll: slow and idle clients' poll_stream
check 'own_poll: a full table, and room later' poll_full
check 'control: every item, and the rest closed' control_items
check 'listener: twice, killed, replaced, ended' listener_life
check 'upgrade: all requests answered once through six upgrades' upgrade_under_load
echo "1..$count"
[ "$failures" = 0 ]
