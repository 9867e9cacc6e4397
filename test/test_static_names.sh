#!/bin/sh
# SPDX-License-Identifier: MIT
# The static libraries as they are installed: a program may have functions that are called like ours inside, and all of
# them link.
#
#     test/test_static_names.sh FOLDER-OF-ARCHIVES NM OBJCOPY COMPILER...
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
from=$1
nm=$2
objcopy=$3
shift 3
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/lib"
archives="libunx-engine.a libunx-service.a libunx-data.a libunx.a"
for archive in $archives; do
    cp "$from/$archive" "$dir/lib"
done
cat >"$dir/program.c" <<'END'
#include <fcntl.h>
#include <unx/engine.h>
#include <unx/frames.h>
#include <unx/listener.h>

int sys_poll(void) { return 1; }
int line_add(void) { return 2; }
int control_next(void) { return 3; }
int socket_new(void) { return 4; }

int main(void)
{
    struct unx_engine *e;
    struct unx_listener *l;
    struct unx_frames f;
    char buf[64];
    int r = unx_engine_new(&e, 4, 0);
    r = r < 0 ? r : unx_engine_free(e);
    r = r < 0 ? r : unx_frames_init(&f, UNX_SEND, buf, sizeof buf, 0);
    r = r < 0 ? r : unx_frames_close(&f);
    r = r < 0 ? r : unx_listener_open_path(&l, SOCK_STREAM, 0, AT_FDCWD, "sock", NULL);
    r = r < 0 ? r : unx_listener_close(l);
    return r == 0 && sys_poll() + line_add() + control_next() + socket_new() == 10 ? 0 : 1;
}
END
links() {
    # shellcheck disable=SC2086 # a list of words
    (cd "$dir/lib" && "$@" -I "$root/include" -o "$dir/program" ../program.c $archives $uring -pthread)
}
uring=
if "$nm" "$dir/lib/libunx-engine.a" | grep -q 'U io_uring_'; then
    uring=-luring
fi
echo 1..2
# As they come from the compiler, they clash.
if links "$@" >"$dir/clash" 2>&1 || ! grep -q 'multiple definition' "$dir/clash"; then
    echo "not ok 1 - names clash"
else
    echo "ok 1 - names clash"
fi
# shellcheck disable=SC2086 # a list of words
DESTDIR='' "$root/scripts/private_names.sh" "$nm" "$objcopy" "$dir/lib" $archives
if links "$@" >"$dir/log" 2>&1 && (cd "$dir" && ./program); then
    echo "ok 2 - names of ours do not"
else
    sed 's/^/# /' "$dir/log"
    echo "not ok 2 - names of ours do not"
fi
