# SPDX-License-Identifier: Apache-2.0
# accuracy.svg and errors.svg from results.csv and classes.csv in the folder `results`.
set datafile separator ","
set terminal svg size 900,420 font "sans,13" background "white"
set style fill solid 0.7
set grid ytics
arms = "FT PTQ Q-FIT+PTQ Stage1 FT2 QAT TAQ TAQ+SEM ReQAT"

set output results . "/accuracy.svg"
set title "Greedy accuracy by arm; a dot a seed, with its 95 % interval"
set ylabel "right, %"
set xrange [0.4:9.6]
set xtics ("FT" 1, "PTQ" 2, "Q-FIT+PTQ" 3, "Stage1" 4, "FT2" 5, "QAT" 6, "TAQ" 7, "TAQ+SEM" 8, "ReQAT" 9)
place(arm) = (arm eq "FT") ? 1 : (arm eq "PTQ") ? 2 : (arm eq "Q-FIT+PTQ") ? 3 : (arm eq "Stage1") ? 4 : \
    (arm eq "FT2") ? 5 : (arm eq "QAT") ? 6 : (arm eq "TAQ") ? 7 : (arm eq "TAQ+SEM") ? 8 : 9
plot results . "/results.csv" every ::1 using (place(strcol(1)) + 0.12 * ($2 - 2)):(100 * $5):(100 * $6):(100 * $7) \
    with yerrorbars pointtype 7 notitle

set output results . "/errors.svg"
set title "Sampled errors by the entropy of the full-precision model (temperature 0.6, top-p 0.95)"
set ylabel "sampled token differs from the trace's, %"
set xlabel "entropy of the position, nats: bucket"
set xrange [-0.5:6.5]
set yrange [0.01:100]
set logscale y
set xtics ("0 to 0.01" 0, "to 0.05" 1, "to 0.2" 2, "to 0.5" 3, "to 1" 4, "to 2" 5, "above" 6)
set key outside
bucket(x) = (x < 0.005) ? 0 : (x < 0.02) ? 1 : (x < 0.1) ? 2 : (x < 0.3) ? 3 : (x < 0.7) ? 4 : (x < 1.5) ? 5 : 6
plot for [i = 1:words(arms)] \
    "< awk -F, -v arm='" . word(arms, i) . "' '$1 == arm && $3 == \"all\" && $4 != \"all\" && $6 > 0 { n[$4] += $6; s[$4] += $6 * $10 } END { for (b in n) print b \",\" s[b] / n[b] }' " . \
    results . "/classes.csv | sort -t, -k1,1g" using (bucket($1)):(100 * $2) with linespoints pointtype 7 title word(arms, i)
