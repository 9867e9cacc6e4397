#!/bin/sh
# SPDX-License-Identifier: MIT
# What is installed, as somebody has it who reads README: its two programs are built by its own lines, with static
# libraries, and by CMake, and talk to the command.
#
#     BUILD=FOLDER MESON=... CC=... test/test_installed.sh PATH-TO-UNX [CASE...]
#
# shellcheck disable=SC1091,SC2154
set -u
: "${BUILD:?}" "${MESON:?}" "${CC:?}"

. "$(dirname "$0")/tool_lib.sh"

root=$(cd "$(dirname "$0")/.." && pwd)
place=$top/place
if ! DESTDIR=$place $MESON install -C "$BUILD" --no-rebuild >"$top/install.log" 2>&1; then
    sed 's/^/# /' "$top/install.log"
    echo '1..1'
    echo 'not ok 1 - install'
    exit 1
fi
lib=$(dirname "$(find "$place" -name libunx.so)")
prefix=$(dirname "$(dirname "$(find "$place" -path '*/bin/unx')")")
export PKG_CONFIG_SYSROOT_DIR="$place" PKG_CONFIG_PATH="$lib/pkgconfig"
unset LD_LIBRARY_PATH

# readme NUMBER: that program of README, at a name of its own.
readme()
{
    awk -v n="$1" '/^```c$/ { i++; inside = i == n; next } /^```$/ { inside = 0 } inside' "$root/README.md" |
        sed "s/\"hello\", 5/\"${name#@}\", $((${#name} - 1))/"
}

# serves PROGRAM: it prints what the command sends it, and who that was.
serves()
{
    "$1" >out 2>err &
    pid=$!
    pids="$pids $pid"
    until_true client_sends
    until_true is_said
}
is_said() { tr '\n' ' ' <out | grep -q "^uid $(id -u): hi  (1 files)"; }
client_sends() { echo hi | LD_LIBRARY_PATH=$lib "$prefix/bin/unx" send "$name" --fd /etc/passwd; }

# shellcheck disable=SC2046 # lists of words
first_program()
{
    need pkg-config
    readme 1 >hello.c
    $CC -Wall hello.c -o hello $(pkg-config --cflags --libs libunx) || fail 'it does not build'
    LD_LIBRARY_PATH=$lib serves ./hello
    until_true gone_or_zombie "$pid"
}

# shellcheck disable=SC2046
second_program()
{
    need pkg-config
    readme 2 >many.c
    $CC -Wall many.c -o many $(pkg-config --cflags --libs libunx-engine) || fail 'it does not build'
    LD_LIBRARY_PATH=$lib serves ./many
    client_sends
    until_true counted hi out 2
}

# Nothing of ours is looked for when it starts.
# shellcheck disable=SC2046
static_libraries()
{
    need pkg-config
    rm -rf "$top/static"
    cp -R "$place" "$top/static"
    find "$top/static" -name 'libunx*.so*' -exec rm {} +
    readme 2 >many.c
    export PKG_CONFIG_SYSROOT_DIR="$top/static"
    $CC -Wall many.c -o many $(pkg-config --cflags --static --libs libunx-engine) || fail 'it does not build'
    serves ./many
}

# cmake_build VERSION TARGETS...: builds many.c with these
cmake_build()
{
    cat >CMakeLists.txt <<END
cmake_minimum_required(VERSION 3.13)
project(many C)
find_package(libunx $1 REQUIRED)
find_package(libunx REQUIRED)
add_executable(many many.c)
END
    shift
    echo "target_link_libraries(many $*)" >>CMakeLists.txt
    rm -rf build
    # There may be something before the compiler, like ccache.
    CC=${CC##* } cmake -DCMAKE_PREFIX_PATH="${from-$prefix}" -B build . && cmake --build build
}

cmake_package()
{
    need cmake
    readme 2 >many.c
    cmake_build 0.1 libunx::unx-engine || fail 'it does not build'
    serves ./build/many
    for target in unx unx-service unx-engine unx-data; do
        echo 'int main(void) { return 0; }' >many.c
        cmake_build 0.1.0 libunx::$target || fail "$target"
    done
}

cmake_version()
{
    need cmake
    echo 'int main(void) { return 0; }' >many.c
    for version in 0.0.9 0.1.1 0.2 1.0 0.0.1...0.0.9 '0.1 REQUIRED COMPONENTS engine'; do
        ! cmake_build "$version" libunx::unx >log 2>&1 || fail "version $version is accepted"
        has 'libunx' log
    done
    for version in '0.1.0 EXACT' 0.0.5...0.3 0.1.0...0.1.0; do
        cmake_build "$version" libunx::unx || fail "version $version is refused"
    done
}

# As where /lib is a link to usr/lib.
cmake_by_a_link()
{
    need cmake
    mkdir root
    cp -R "$prefix" root/usr
    ln -s usr/lib root/lib
    echo 'int main(void) { return 0; }' >many.c
    from=$PWD/root cmake_build 0.1 libunx::unx || fail 'not found'
    has '^libunx_DIR.*root/lib/' build/CMakeCache.txt
}

run_cases readme serves is_said client_sends cmake_build
