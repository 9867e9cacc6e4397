#!/bin/sh
# SPDX-License-Identifier: MIT
# The command unx, from outside: its arguments, and messages of every type.
#
#     test/test_tool.sh PATH-TO-UNX [CASE...]
#
# shellcheck disable=SC1091,SC2086,SC2154,SC2317,SC2329 # tool_lib.sh has the variables, and calls the cases
set -u

. "$(dirname "$0")/tool_lib.sh"

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
    # Who sent a datagram is told by the message alone.
    if [ "$1" = dgram ]; then has ", pidfd $sender_pidfd, " out; else has ", pidfd $pidfd, " out; fi
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
    "$unx" connect $name --type dgram --lines --timeout 60000 <data >reply 2>cerr &
    c=$!
    pids="$pids $c"
    until_true cmp -s data reply
    kill $c
    stopped 0
    # After the end of its input it waits as long as it was told, and that nothing comes is no failure.
    server listen $name --type dgram
    printf x | expects 0 "$unx" connect $name --type dgram --timeout 100
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

run_cases bad one_message
