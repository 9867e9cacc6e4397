#!/bin/sh
# SPDX-License-Identifier: MIT
# Draws what soak_kill has written each second, by gnuplot: some 240 points of each curve, so that the picture stays small.
#
# usage: scripts/soak_plot.sh SAMPLES PICTURE.svg
set -eu
samples=${1:?usage: scripts/soak_plot.sh SAMPLES PICTURE.svg}
picture=${2:?usage: scripts/soak_plot.sh SAMPLES PICTURE.svg}
seconds=$(awk '!/^#/ { last = $1 } END { print int(last + 1) }' "$samples")
every=$(((seconds + 239) / 240))
# Where kills are going on.
grey=$(awk '
    function column() { printf "set object rect from %s,graph 0 to %s,graph 1 fc rgb \"#e4e4e4\" fs noborder behind\n", from, $1 }
    /^#/ { next }
    $3 == 0 && from == "" { from = $1 }
    $3 == 1 && from != "" { column(); from = "" }
    END { if (from != "") column() }' "$samples")
gnuplot <<END
set terminal svg size 900,1000 font 'sans-serif,12' background 'white'
set output '$picture'
set multiplot layout 4,1 title 'soak: kill -9 on either side (grey), and calms' font ',15'
set grid ytics lc rgb '#dddddd'
set key outside right top width -2
set lmargin 12
set rmargin 28
set tmargin 1
set bmargin 2
set format y '%.0f'
set yrange [0:*]
set xrange [0:$seconds]
f = '$samples'
$grey
plot f every $every using 1:5 with lines lc rgb '#0060ad' title 'connections, client', \
     f every $every using 1:10 with lines lc rgb '#00a000' title 'sockets in the kernel'
plot f every $every using 1:11 with lines lc rgb '#888888' title 'open files, whole machine', \
     f every $every using 1:8 with lines lc rgb '#0060ad' title 'descriptors, client', \
     f every $every using 1:9 with lines lc rgb '#c03030' title 'descriptors, server'
plot f every $every using 1:(\$6/1024) with lines lc rgb '#0060ad' title 'VmRSS client, MiB', \
     f every $every using 1:(\$7/1024) with lines lc rgb '#c03030' title 'VmRSS server, MiB'
set xlabel 'seconds'
set bmargin 3
plot f every $every using 1:12 with lines lc rgb '#a000a0' title 'descriptors in queues'
END
# gnuplot's own lines end in white space here and there.
sed -i 's/[[:space:]]*$//' "$picture"
