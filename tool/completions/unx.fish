# SPDX-License-Identifier: MIT
# Completion of unx(1) for fish. Which verbs there are and what each takes is asked of `unx --help` and
# `unx VERB --help`, so it is that of the unx that is installed.

# What a command would be offered of which nothing is known.
function __unx_files
    complete -C "__unx_nothing "(commandline -ct)
end

# What is typed is not expanded yet.
function __unx_at_home
    string replace -r -- '^(~|\$HOME)(?=/)' $HOME $argv
end

# Abstract names that somebody listens at or receives datagrams at, as far as they are plain words, and socket files.
function __unx_addresses
    awk 'NF == 8 && $8 ~ /^@[-+,.%\/0-9:=@A-Z^_a-z]*$/ && ($4 == "00010000" || $5 == "0002") { print $8 "\tabstract name" }' \
        /proc/net/unix 2>/dev/null | sort -u
    for line in (__unx_files)
        set -l file (__unx_at_home (string split -m 1 -f 1 \t -- $line))
        if test -S "$file" -o -d "$file"
            printf '%s\n' $line
        end
    end
end

function __unx_allow
    set -l list (string match -r '.*,' -- (commandline -ct))
    printf "$list%s\n" same-user root anyone user:(__fish_complete_users) group:(__fish_complete_groups)
end

# What an option wants: "TYPE".
function __unx_value
    switch $argv[2]
        case TYPE
            printf '%s\n' seqpacket stream dgram
        case LIST
            __unx_allow
        case NAME
            test $argv[1] != --engine; or printf '%s\n' io_uring epoll poll
        case 'PATH*'
            __unx_files
    end
end

function __unx
    set -l words (commandline -opc)
    set -l unx (__unx_at_home $words[1])
    command -q $unx; or return
    if not set -q words[2]
        $unx --help 2>/dev/null | string replace -rf '^  ([a-z]+) *[A-Z.]* +(.*)' '$1\t$2'
        printf '%s\n' --help --version
        return
    end
    if set -l end (contains -i -- -- $words)
        # A program and its arguments.
        complete -C (string join ' ' -- (string escape -- $words[(math $end + 1)..]) (commandline -ct))
        return
    end
    set -l options ($unx $words[2] --help 2>/dev/null | string match -r '^  --.*')
    for line in $options
        set -l option (string match -r '^  (--[a-z-]+) ([A-Z|]+)' -- $line)
        and if test $words[-1] = $option[2]
            __unx_value $option[2..]
            return
        end
    end
    if string match -q -- '-*' (commandline -ct)
        string replace -r '^  (--[a-z-]+)( [A-Z|]+)? +(.*)' '$1\t$3' -- $options
    else if test $words[2] != addr
        __unx_addresses
    end
end

complete -c unx -f -a '(__unx)'
