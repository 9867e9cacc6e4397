#!/bin/sh
# SPDX-License-Identifier: MIT
# The soak of the engine on each backend, one after the other: two processes exchange numbered messages and descriptors while operations
# are cancelled, late and closed over at random, and compare what they counted. Ends at the first that lost something.
#
# usage: scripts/soak.sh BUILD-FOLDER [SECONDS [CONNECTIONS]]        600 seconds, 1000 connections; BACKENDS="epoll": only these
set -eu
build=${1:?usage: scripts/soak.sh BUILD-FOLDER [SECONDS [CONNECTIONS]]}
for backend in ${BACKENDS:-io_uring epoll poll}; do
    echo "== $backend, ${2:-600} seconds"
    "$build/test/soak_engine" "${2:-600}" "$backend" "${3:-1000}" || {
        status=$?
        [ "$status" = 77 ] || exit "$status"
    }
done
