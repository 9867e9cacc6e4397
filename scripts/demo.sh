#!/bin/sh
# SPDX-License-Identifier: MIT
# Two programs on one machine exchange messages, open descriptors and identities through unx; and everything that is shown
# is checked: the exit status is 1 if anything is not as promised.
#
# usage: scripts/demo.sh PATH-TO-UNX
#
# As root, the client is another user (4711; not 65534, which is also what the kernel says of ids that it cannot name).
# As somebody else it can only be the same user, and the demo says so.
set -u

case ${1-} in
'') echo 'usage: scripts/demo.sh PATH-TO-UNX' >&2; exit 2 ;;
/*) built=$1 ;;
*) built=$(pwd)/$1 ;;
esac

dir=$(mktemp -d) || exit 1
server=
promised=0
broken=0
cleanup() { [ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$dir"; }
trap cleanup EXIT
trap 'exit 1' HUP INT TERM
# Readable for the other user, who has to run unx from here; and short to read.
chmod 755 "$dir"
cd "$dir" || exit 1

# ---- what the parts are made of ----

title() { printf '\n== %s\n' "$*"; }
tell() { printf '   %s\n' "$*"; }
show() { awk -v mark="   $1| " '{ print mark $0 }' "$2"; }

# promise WHAT COMMAND...: says whether it holds
promise()
{
    what=$1
    shift
    promised=$((promised + 1))
    if "$@" >/dev/null 2>&1; then
        printf '   ok: %s\n' "$what"
    else
        printf '   NOT AS PROMISED: %s\n' "$what"
        broken=$((broken + 1))
    fi
}

# until_true COMMAND...: waits for it, at most ten seconds
until_true()
{
    tries=500
    until "$@" 2>/dev/null; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || { echo "demo: waited in vain for: $*" >&2; exit 1; }
        sleep 0.02
    done
}

# serve ARGUMENTS...: unx listen in the background; what it prints goes to the file log
serve()
{
    : >log
    : >notes
    "$unx" listen "$@" >log 2>notes &
    server=$!
    until_true grep -q listening notes
}

stop()
{
    kill "$server"
    wait "$server"
    stopped=$?
    server=
}

# run COMMAND...: shows it (without the folder of unx), runs it as the other user with the file input on standard input;
# its process id goes to $client, its status to $status
run()
{
    printf '   $ %s' "$as"
    for word in "$@"; do
        case $word in
        "$unx") printf 'unx ' ;;
        *' '*) printf "'%s' " "$word" ;;
        *) printf '%s ' "$word" ;;
        esac
    done
    [ ! -s input ] || printf '<input'
    echo
    $become "$@" <input >reply 2>errors &
    client=$!
    wait $client
    status=$?
    show '' reply
    show '' errors
}

# ---- who plays the client ----

unx=$dir/unx
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
    become='setpriv --reuid=4711 --regid=4711 --clear-groups'
    as='(as uid 4711) '
    uid=4711
    groups=none
else
    become=
    as=
    uid=$(id -u)
    groups='[a-z0-9 ]*'
    echo 'demo: not root, so the client has to be the same user as the server'
fi
# The build folder may be where the other user cannot go; the library is copied with the program.
cp "$built" unx || exit 1
libraries=$(ldd "$built" | sed -n 's/.*libunx[^ ]* => \(.*\) (0x.*/\1/p')
if [ -n "$libraries" ]; then
    printf '%s\n' "$libraries" | while IFS= read -r library; do cp "$library" . || exit 1; done || exit 1
    LD_LIBRARY_PATH=$dir${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
    export LD_LIBRARY_PATH
fi
$become "$unx" --version >/dev/null || exit 1
name=@unx-demo-$$
{ echo 'the first line of a private file'; uname -a; } >private.txt
chmod 600 private.txt
: >input

# ---- 1: message, descriptor, identity, reply ----

title '1. A message, an open file and an identity, over an abstract SEQPACKET address'
tell "private.txt belongs to uid $(id -u) and has mode 0600."
if [ -n "$become" ]; then
    run cat private.txt
    promise 'the client itself cannot open the file' test "$status" != 0
fi
if [ -n "$become" ]; then
    tell 'No permissions guard an abstract name: without --allow, this user and root alone may talk.'
    tell "\$ unx listen $name"
    serve "$name"
    run "$unx" send "$name" --data 'let me in' --reply
    promise 'the other user is turned away, and learns it' test "$status" = 5
    until_true grep -q '^refused' log
    show '  server ' log
    promise 'the server says why' \
        grep -q '^refused connection 1: neither this user nor one of its groups is admitted$' log
    promise "the server says who came: pid $client, uid $uid" grep -q "^  peer: pid $client, uid $uid, " log
    stop
    promise 'no message came in' test "$(grep -c '^message' log)" = 0
    tell "So this time the other user is let in, by --allow user:$uid."
fi
tell "The server runs a program for each message: the message on standard input, the file as descriptor 3."
tell "\$ unx listen $name --allow user:$uid,root --cred -- sh -c 'printf \"you said: \"; cat; printf \"your file says: \"; head -n 1 <&3'"
# shellcheck disable=SC2016
serve "$name" --allow "user:$uid,root" --cred -- sh -c 'printf "you said: "; cat; printf "your file says: "; head -n 1 <&3'
# Newer kernels know the process itself, not its number alone.
tell 'Before it sends anything, a client can ask who serves there:'
run "$unx" peer "$name"
promise "it is process $server of uid $(id -u)" grep -q "^seqpacket: pid $server, uid $(id -u)," reply
case $(cat reply) in
*'pidfd yes'*) pidfd=yes program=$unx ;;
*) pidfd=no program=unknown ;;
esac
tell 'The shell opens the file as descriptor 7 while it still may; the client inherits it, and lends it to the server.'
exec 7<private.txt
echo 'hello, server' >input
run "$unx" send "$name" --fd 7 --cred --reply
exec 7<&-
tell 'The server printed:'
show '  server ' log
promise 'the message arrived' grep -q '^  data: "hello, server\\n"$' log
promise "the server knows who connected: pid $client, uid $uid, gid, groups, pidfd $pidfd, program $program" \
    grep -q "^  peer: pid $client, uid $uid, gid [0-9]*, groups $groups, pidfd $pidfd, program $program\$" log
promise "the server knows who sent this message: the same process, $client" \
    grep -q "^  sender: pid $client, uid $uid, gid [0-9]*, " log
promise 'the server knows what the descriptor is' grep -q '^  fd 0: file .*/private.txt, [0-9]* bytes, mode 0600, read-only$' log
promise 'the reply has the message' grep -q '^you said: hello, server$' reply
promise 'the reply has the line that the server read through the descriptor' \
    grep -q '^your file says: the first line of a private file$' reply
promise 'the client ended with status 0' test "$status" = 0
stop
promise 'the server too' test "$stopped" = 0

# ---- 2: 253 descriptors ----

title '2. As many descriptors as one message can hold'
# shellcheck disable=SC2016
serve "$name" --allow "user:$uid" -- sh -c 'echo "$LISTEN_FDS descriptors, and the last one says: $(head -n 1 /proc/self/fd/255)"'
lent=$(printf -- '--fd 7 %.0s' $(seq 253))
exec 7<private.txt
tell "\$ ${as}unx send $name --data many --reply --fd 7 --fd 7 ... (253 times)"
# shellcheck disable=SC2086 # a list of words
$become "$unx" send "$name" --data many --reply $lent >reply 2>errors
show '' reply
promise 'all 253 arrived' grep -q '^253 descriptors, and the last one says: the first line of a private file$' reply
# shellcheck disable=SC2086
$become "$unx" send "$name" --data many $lent --fd 7 >reply 2>errors
status=$?
exec 7<&-
tell '... and one more:'
show '' errors
promise 'the 254th is refused before anything is sent, status 2' test $status = 2
stop
promise 'the server lost nothing' test $stopped = 0

# ---- 3: too large ----

title '3. A packet that is too large is refused, never cut'
serve "$name" --allow "user:$uid" -- wc -c
head -c 5000000 /dev/zero >input
run "$unx" send "$name" --reply
tell "exit status: $status"
promise 'status 3, and one line that says why' test "$status" = 3 -a "$(wc -l <errors)" = 1
head -c 200000 /dev/zero >input
run "$unx" send "$name" --reply
promise 'a packet of 200000 bytes arrives whole' grep -qx 200000 reply
stop
promise 'the server got that one message and no part of the other' test "$(grep -c '^message' log)" = 1

# ---- 4: a long path ----

title '4. A path that is longer than an address'
long=$(printf 'a-directory-with-a-long-name-%.0s' 1 2 3 4)
mkdir -m 755 "$long"
path=$dir/$long/socket
: >input
tell "the path has ${#path} bytes, and an address holds 108"
serve "$path" --mode 0666 --echo
run "$unx" send "$path" --data 'all the way' --reply
promise 'it is reached, and replies' grep -qx 'all the way' reply
run "$unx" listen "$path"
promise 'a second server is told that one is there' grep -q 'somebody serves there now' errors
stop
promise 'its file is removed when the server ends' test ! -e "$path"

printf '\n'
if [ $broken -gt 0 ]; then
    echo "demo: $broken of $promised things were not as promised"
    exit 1
fi
echo "demo: all $promised things were as promised"
