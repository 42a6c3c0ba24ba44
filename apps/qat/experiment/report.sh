#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The results of the experiment, from what its measures wrote:
#
#   report.sh WORK RESULTS      results.csv (a line for every arm and seed), classes.csv (sampling errors by entropy
#                               bucket and token class), table.md, and with gnuplot installed accuracy.svg, errors.svg
set -eu
work=$1
results=$2
here=$(dirname "$0")
arms="FT PTQ Q-FIT+PTQ Stage1 FT2 QAT TAQ TAQ+SEM ReQAT"

field() { sed -nE "s/^[^[]*\"$1\":([-0-9.e+]+).*/\1/p" | head -n 1; } # of the object itself, before any list
every() { grep -oE "\"$1\":[-0-9.e+]+" | cut -d: -f2; }
mean() { awk '{ s += $1; n++ } END { if (n) printf "%.6g", s / n }'; }
log() { sed -nE "s/.*\"$2\":([-0-9.e+]+).*/\1/p" "$work/log/$1.jsonl" 2>/dev/null | tail -n 1; }

echo "arm,seed,n,right,accuracy,ci_low,ci_high,avg_at_k,avg_stderr,entropy,mismatch,mismatch_low,mismatch_digit,mismatch_operator,mismatch_word,k_relative,v_relative" \
    >"$results/results.csv"
echo "arm,seed,class,from,to,tokens,entropy,nll,outside,mismatch,wrong,kl,flips" >"$results/classes.csv"
for arm in $arms; do
    for greedy in "$work/measured/$arm"-[0-9]*-greedy; do
        [ -s "$greedy" ] || continue
        base=${greedy%-greedy} seed=${greedy%-greedy}
        seed=${seed##*-}
        [ -s "$base-sampled" ] && [ -s "$base-entropy" ] || continue
        table=$base.csv
        of() { awk -F, -v c="$1" -v f="$2" -v k="$3" 'NR > 1 && $1 == c && $2 == f { print $k }' "$table"; }
        # The sampled mismatch rate of low entropy: the buckets below 0.05 nats, weighted by their tokens.
        low=$(awk -F, '$1 == "all" && ($2 == "0" || $2 == "0.01") && $4 { n += $4; s += $4 * $8 } END { if (n) printf "%.6g", s / n }' "$table")
        {
            echo -n "$arm,$seed,$(field n <"$greedy"),$(field right <"$greedy"),$(field accuracy <"$greedy"),"
            echo -n "$(sed -nE 's/.*"ci95":\[([-0-9.e+]+),([-0-9.e+]+)\].*/\1,\2/p' "$greedy"),"
            echo -n "$(field accuracy <"$base-sampled"),$(sed -nE 's/.*"stderr":([-0-9.e+]+).*/\1/p' "$base-sampled"),"
            echo -n "$(of all all 5),$(of all all 8),$low,$(of digit all 8),$(of operator all 8),$(of word all 8),"
            echo "$(every k_relative <"$base-entropy" | mean),$(every v_relative <"$base-entropy" | mean)"
        } >>"$results/results.csv"
        awk -F, -v OFS=, -v arm="$arm" -v seed="$seed" 'NR > 1 { print arm, seed, $0 }' "$table" >>"$results/classes.csv"
    done
done

# A line an arm: means over the seeds; +- is 1.96 standard errors over all problems of all seeds, for both accuracies, and
# the standard deviation between seeds stands beside the first. An empty field (a bucket or class without positions) counts for
# nothing; a dash stands where no seed has a value.
awk -F, 'function rate(x) { return sprintf("%.2f", 100 * x) }
    function mean(x, field) { return sum[x, field] / count[x, field] }
    function interval(x) { return count[x, 9] ? rate(1.96 * sqrt(squares[x]) / count[x, 9]) : "-" }
    function percent(x, field) { return count[x, field] ? rate(mean(x, field)) : "-" }
    NR == 1 { next }
    !($1 in n) { order[++arms] = $1 }
    { n[$1]++; total[$1] += $3; right[$1] += $4; a[$1] += $5; a2[$1] += $5 * $5
      squares[$1] += $9 * $9
      for (field = 8; field <= NF; field++) if ($field != "") { sum[$1, field] += $field; count[$1, field]++ } }
    END {
        print "| arm | seeds | greedy, % | between seeds | avg@k, % | mean entropy, nats | sampled errors, % | of them at low entropy | digits | operators | words | K error, % | V error, % |"
        print "|---|---|---|---|---|---|---|---|---|---|---|---|---|"
        for (i = 1; i <= arms; i++) {
            x = order[i]; p = right[x] / total[x]; s = n[x]
            sd = s > 1 ? sqrt((a2[x] - a[x] * a[x] / s) / (s - 1) > 0 ? (a2[x] - a[x] * a[x] / s) / (s - 1) : 0) : 0
            entropy = count[x, 10] ? sprintf("%.4f", mean(x, 10)) : "-"
            printf "| %s | %d | %s ± %s | %s | %s ± %s | %s |", x, s, rate(p), rate(1.96 * sqrt(p * (1 - p) / total[x])),
                rate(sd), percent(x, 8), interval(x), entropy
            for (field = 11; field <= 17; field++)
                printf " %s |", percent(x, field)
            print ""
        }
    }' "$results/results.csv" >"$results/table.md"
cat "$results/table.md"

if command -v gnuplot >/dev/null; then
    gnuplot -e "results='$results'" "$here/plots.gp"
else
    echo "report: gnuplot is not installed, so no plots; try apt-get install gnuplot-nox" >&2
fi
