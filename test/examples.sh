# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2034
# What the tests of the examples share; they source it. Their argument is the directory with the examples.
#
# Every server gets an abstract name of its own, says "listening" when it does, and is ended at the end of its case.
bin=${1:?usage: $0 DIRECTORY-WITH-THE-EXAMPLES}
if [ "$(id -u)" = 65534 ]; then
    echo '1..0 # SKIP the servers admit their own user, and 65534 is the number of those who have none'
    exit 0
fi
dir=$(mktemp -d) || exit 1
chmod 755 "$dir"
count=0
failures=0
server=
here=@unx-examples-$$

stop_server()
{
    [ -n "$server" ] || return 0
    # In this order: a leak checker that looks on at the end of a program stops it, and must not be told to go on.
    kill -CONT "$server" 2>/dev/null
    kill "$server" 2>/dev/null
    wait "$server" 2>/dev/null
    server=
}

trap 'stop_server; rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM

# start NAME ARG... : starts a server and waits until it listens; what it prints goes to $dir/server.
start()
{
    name=$1
    shift
    : >"$dir/server"
    "$bin/example_$name" "$@" >"$dir/server" 2>"$dir/server.err" &
    server=$!
    seen "$dir/server" '^listening$'
}

# HARNESS_SLOWER in the environment: everything may take longer.
patience=1
[ -z "${HARNESS_SLOWER-}" ] || patience=4

# within COMMAND... : it succeeds, now or within 10 seconds.
within()
{
    tries=0
    until "$@"; do
        tries=$((tries + 1))
        [ "$tries" -le $((200 * patience)) ] || return 1
        sleep 0.05
    done
}

# seen FILE PATTERN: the pattern is in the file, now or within 10 seconds.
seen()
{
    within grep -q -e "$2" "$1" && return 0
    echo "# $1 has no line like: $2"
    return 1
}

# lines FILE PATTERN COUNT: so many lines like this are in the file, now or within 10 seconds.
lines()
{
    within has_lines "$@" && return 0
    echo "# $1 has no $3 lines like: $2"
    return 1
}
has_lines() { [ "$(grep -c -e "$2" "$1")" = "$3" ]; }

# equal WHAT GOT WANTED
equal()
{
    [ "$2" = "$3" ] && return 0
    printf '%s: got "%s", wanted "%s"\n' "$1" "$2" "$3" | sed 's/^/# /'
    return 1
}

# exits STATUS COMMAND... : the command ends with this status; what it prints is in $dir/out and $dir/err.
exits()
{
    want=$1
    shift
    got=0
    "$@" >"$dir/out" 2>"$dir/err" </dev/null || got=$?
    equal "exit status of $*" "$got" "$want"
}

# A client takes no more than 10 seconds, or it failed.
client()
{
    name=$1
    shift
    timeout $((10 * patience)) "$bin/example_$name" "$@"
}

descriptors()
{
    find "/proc/$server/fd" -mindepth 1 2>/dev/null | wc -l
}

# closed_all WANTED: as many descriptors of the server are open, now or within 10 seconds: that a client has ended
# does not mean that the server has seen it.
closed_all()
{
    within has_descriptors "$1"
    equal 'descriptors of the server' "$(descriptors)" "$1"
}
has_descriptors() { [ "$(descriptors)" = "$1" ]; }

# An id as libunx tells it: 65534 is the number for ids that the kernel cannot say here.
known()
{
    if [ "$1" = 65534 ]; then
        echo "$2"
    else
        echo "$1"
    fi
}

# check NAME FUNCTION
check()
{
    count=$((count + 1))
    if $2 >"$dir/details"; then
        if grep -q '^SKIP ' "$dir/details"; then
            echo "ok $count - $1 # $(cat "$dir/details")"
        else
            echo "ok $count - $1"
        fi
    else
        failures=$((failures + 1))
        echo "not ok $count - $1"
        cat "$dir/details"
        for f in server server.err out err; do
            [ -s "$dir/$f" ] && sed "s/^/#   $f: /" "$dir/$f"
        done
    fi
    stop_server
    rm -f "$dir/server" "$dir/server.err" "$dir/out" "$dir/err"
}
