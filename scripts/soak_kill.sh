#!/bin/sh
# SPDX-License-Identifier: MIT
# The soak with kill -9: a client and a server with thousands of connections between them; either is killed at random and started again,
# and nothing may be lost but what was in flight to the dead, nor may anything grow in the calms between.
#
# usage: scripts/soak_kill.sh BUILD-FOLDER [SECONDS [CONNECTIONS [RATE]]]
#     1800 seconds, 19,000 connections, 5000 messages a second each way; 19,000 is cut to the limit of descriptors less 500
# BACKEND=epoll: instead of the one that the engine picks. KEEP=FILE: keep the samples there. PLOT=FILE.svg: draw them (gnuplot).
set -eu
build=${1:?usage: scripts/soak_kill.sh BUILD-FOLDER [SECONDS [CONNECTIONS [RATE]]]}
samples=${KEEP:-$(mktemp)}
[ -n "${KEEP:-}" ] || trap 'rm -f "$samples"' EXIT
"$build/test/soak/soak_kill" "${2:-1800}" "${BACKEND:-any}" "${3:-19000}" "${4:-5000}" "$samples"
[ -z "${PLOT:-}" ] || "$(dirname "$0")/soak_plot.sh" "$samples" "$PLOT"
