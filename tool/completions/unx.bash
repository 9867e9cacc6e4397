# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Completion of unx(1) for bash. Which verbs there are and what each takes is asked of `unx --help` and
# `unx VERB --help`, so it is that of the unx that is installed. Needs no other package.

# _unx_offer WORD... : those that begin with what is typed. Where readline breaks words inside an address or a list, it
# has the first part already.
_unx_offer()
{
    local word broken='' have=''
    [[ $COMP_WORDBREAKS == *@* ]] && broken+=@
    [[ $COMP_WORDBREAKS == *:* ]] && broken+=:
    if [[ -n $broken && $_unx_cur == *["$broken"]* ]]; then
        have=${_unx_cur%"${_unx_cur##*["$broken"]}"}
        have=${have%@} # begins a word, and belongs to it
    fi
    for word; do
        if [[ $word == "$_unx_cur"* ]]; then
            COMPREPLY+=("${word#"$have"}")
        fi
    done
}

# Files for an address: sockets, and directories on the way to one.
_unx_sockets()
{
    local name file
    while IFS= read -r name; do
        file=${name/#~\//$HOME/} # what is typed is not expanded yet
        [[ ! -d $file && ! -S $file ]] || compopt -o filenames 2>/dev/null
        if [[ -d $file ]]; then
            compopt -o nospace 2>/dev/null
            COMPREPLY+=("$name/")
        elif [[ -S $file ]]; then
            COMPREPLY+=("$name")
        fi
    done < <(compgen -f -- "$_unx_cur")
}

# Abstract names that somebody listens at or receives datagrams at, as far as they are plain words.
_unx_abstract()
{
    local names
    mapfile -t names < <(awk 'NF == 8 && $8 ~ /^@[-+,.%/0-9:=@A-Z^_a-z]*$/ && ($4 == "00010000" || $5 == "0002") { print $8 }' \
        /proc/net/unix 2>/dev/null | sort -u)
    _unx_offer "${names[@]}"
}

# The options of a verb, or of unx itself, with what each wants: "--type TYPE".
_unx_options()
{
    "$_unx_program" ${1:+"$1"} --help 2>/dev/null | sed -n 's/^  \(--[a-z-]*\) \([A-Z|]*\).*/\1 \2/p'
}

_unx_value()
{
    local list=${_unx_cur%"${_unx_cur##*,}"} names
    case $1 in
    TYPE) _unx_offer seqpacket stream dgram ;;
    NAME) [[ $2 != --engine ]] || _unx_offer io_uring epoll poll ;;
    LIST)
        mapfile -t names < <(compgen -u -P user: && compgen -g -P group: && printf '%s\n' same-user root anyone)
        _unx_offer "${names[@]/#/"$list"}"
        compopt -o nospace 2>/dev/null
        ;;
    'PATH|NUMBER')
        mapfile -t COMPREPLY < <(compgen -f -- "$_unx_cur")
        compopt -o filenames 2>/dev/null
        ;;
    esac
}

_unx()
{
    local _unx_program=${1/#~\//$HOME/} _unx_cur verb option='' wants='' word i
    local -a words options
    COMPREPLY=()
    # COMP_WORDS has addresses in pieces; these are words as the shell will see them, as far as they have no quotes.
    read -ra words <<<"${COMP_LINE:0:COMP_POINT}"
    _unx_cur=''
    if [[ ${COMP_LINE:0:COMP_POINT} != *[[:space:]] ]]; then
        _unx_cur=${words[-1]}
        unset 'words[-1]'
    fi
    verb=${words[1]-}
    if [[ -z $verb ]]; then
        mapfile -t words < <("$_unx_program" --help 2>/dev/null | sed -n 's/^  \([a-z]*\) .*/\1/p')
        _unx_offer "${words[@]}" --help --version
        return
    fi
    for ((i = 2; i < ${#words[@]}; i++)); do
        if [[ ${words[i]} == -- ]]; then
            # A program and its arguments.
            if ((i == ${#words[@]} - 1)); then
                mapfile -t COMPREPLY < <(compgen -c -- "$_unx_cur")
            else
                mapfile -t COMPREPLY < <(compgen -f -- "$_unx_cur")
            fi
            compopt -o filenames 2>/dev/null
            return
        fi
    done
    mapfile -t options < <(_unx_options "$verb")
    for word in "${options[@]}"; do
        if [[ ${words[-1]} == "${word%% *}" ]]; then
            option=${word%% *} wants=${word#* }
        fi
    done
    if [[ -n $wants ]]; then
        _unx_value "$wants" "$option"
    elif [[ $_unx_cur == -* ]]; then
        _unx_offer "${options[@]%% *}"
    elif [[ $verb != addr ]]; then
        _unx_abstract
        _unx_sockets
    fi
}

complete -F _unx unx
