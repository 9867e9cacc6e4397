#!/bin/sh
# SPDX-License-Identifier: MIT
# Static libraries have no hidden names: all of ours that are not public get the prefix unx_own_, so that a program may
# have a function of the same name. Meson calls this when it installs.
#
# usage: scripts/private_names.sh NM OBJCOPY FOLDER ARCHIVE...
#
# FOLDER is as Meson has it, below the prefix. The archives call each other, so they are renamed together. What objcopy
# cannot read, like what clang makes for optimization while linking, stays as it is, and that is told.
set -eu
nm=$1
objcopy=$2
case $3 in
/*) folder=${DESTDIR-}$3 ;;
*) folder=${MESON_INSTALL_DESTDIR_PREFIX:?}/$3 ;;
esac
shift 3
cd "$folder"
new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT
"$nm" -g --defined-only "$@" | awk 'NF == 3 && $3 !~ /^unx_/ { print $3, "unx_own_" $3 }' | sort -u >"$new/names"
for archive in "$@"; do
    if ! "$objcopy" --redefine-syms="$new/names" "$archive" "$new/$archive"; then
        echo "$folder: names in static libraries stay without a prefix" >&2
        exit 0
    fi
done
for archive in "$@"; do
    cat "$new/$archive" >"$archive"
done
