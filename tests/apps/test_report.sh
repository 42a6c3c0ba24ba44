#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The tables of the experiment, from measures made up here: what was not measured is empty or a dash, never zero.
. tests/support/app_checks.sh

measured() # ARM SEED TOKENS MISMATCH: of the entropies from 0.01 to 0.05; the digits have no token
{
    local base=$work/run/measured/$1-$2
    echo '{"n":100,"right":90,"accuracy":0.9,"ci95":[0.8,0.95]}' >"$base-greedy"
    echo '{"n":100,"accuracy":0.85,"stderr":0.01}' >"$base-sampled"
    echo '{"layers":[{"k_relative":0.01,"v_relative":0.02},{"k_relative":0.03,"v_relative":0.04}]}' >"$base-entropy"
    {
        echo 'class,from,to,tokens,entropy,nll,outside,mismatch,wrong,kl,flips'
        echo 'all,all,all,10,0.5,0.1,0.2,0.03,0.1,,'
        echo 'all,0,0.01,0,,,,,,,'
        echo "all,0.01,0.05,$3,,,,$4,,,"
        echo 'digit,all,all,0,,,,,,,'
        echo 'operator,all,all,3,0.1,0.1,0.1,0.05,,,'
        echo 'word,all,all,7,1,1,1,0,,,'
    } >"$base.csv"
}

mkdir -p "$work/run/measured" "$work/results"
measured FT 1 0 ''
measured FT 2 0 ''
measured PTQ 1 0 ''
measured PTQ 2 5 0.125
ends 0 'a report' apps/qat/experiment/report.sh "$work/run" "$work/results"
row='90.00 ± 4.16 | 0.00 | 85.00 ± 1.39 | 0.5000 | 3.00'
says 'no position of low entropy: a dash' "| FT | 2 | $row | - | - | 5.00 | 0.00 | 2.00 | 3.00 |"
says 'a mean is over the seeds that have a value' "| PTQ | 2 | $row | 12.50 | - | 5.00 | 0.00 | 2.00 | 3.00 |"
check 'the table is kept' cmp "$work/out" "$work/results/table.md"
check 'results.csv: empty, not 0' grep -qx 'FT,1,100,90,0.9,0.8,0.95,0.85,0.01,0.5,0.03,,,0.05,0,0.02,0.03' "$work/results/results.csv"
check 'classes.csv: empty, not 0' grep -qx 'FT,1,all,0,0.01,0,,,,,,,' "$work/results/classes.csv"
finish
