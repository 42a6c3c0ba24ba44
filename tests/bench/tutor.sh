#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The table of docs/TUTOR.md, as Markdown on stdout: what checked decoding and voting are worth, and what they cost.
#   tests/bench/tutor.sh [MODEL [N]]    MODEL: the bundled one; N: the first 200 of the 2,000 problems of its card
# environment: BUILD (build)
# The last row is as many plain votes as take the time of the checked `--vote 5`. Seconds include loading; memory is the
# peak of resident pages (10^6 bytes). Minutes on two quiet cores.
set -eu
cd "$(dirname "$0")/../.."
build=${BUILD:-build}
model=${1:-apps/tutor/model}
n=${2:-200}
case $n in '' | 0* | *[!0-9]*) echo "expected N from 1 to 2000, found '$n'" >&2 && exit 2 ;; esac
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

"$build/nibble-qat" traces --split eval --seed 5 -n 2000 --out "$folder/all"
head -n "$n" "$folder/all" >"$folder/task"
python3 - "$build/nibble" "$model" "$folder" <<'E1'
import json, subprocess, sys, threading, time
from fractions import Fraction

nibble, model, folder = sys.argv[1:]
tasks = [json.loads(line) for line in open(folder + "/task")]
with open(folder + "/questions", "w") as file:
    file.writelines(task["question"] + "\n" for task in tasks)


def number(text):
    try:
        return Fraction(str(text).replace(",", ""))
    except (ValueError, ZeroDivisionError):
        return None


def watch_memory(process, peak):
    """The high-water mark, for as long as the process is there: a child's own count begins with its parent's pages."""
    while process.returncode is None:
        try:
            lines = open(f"/proc/{process.pid}/status").read().splitlines()
        except OSError:
            return
        peak[0] = max([peak[0]] + [int(line.split()[1]) for line in lines if line.startswith("VmHWM:")])
        time.sleep(0.01)


def run(label, options):
    command = [nibble, "tutor", "--model", model, "--json", "--seed", "1"] + options
    peak, start = [0], time.monotonic()
    with open(folder + "/questions") as questions, open(folder + "/answers", "w") as answers:
        process = subprocess.Popen(command, stdin=questions, stdout=answers)
        watcher = threading.Thread(target=watch_memory, args=(process, peak))
        watcher.start()
        code = process.wait()
        seconds = time.monotonic() - start
        watcher.join()
    if code != 0:
        sys.exit(f"{' '.join(command)}: exit code {code}")
    lines = [json.loads(line) for line in open(folder + "/answers")]
    found = {line.get("question", 0): line for line in lines if "finish" in line or "votes" in line}
    if len(found) != len(tasks):
        sys.exit(f"{' '.join(command)}: expected {len(tasks)} answers, found {len(found)}")
    right = marked = both = tokens = 0
    for i, task in enumerate(tasks):
        value = number(found[i].get("answer"))
        is_right = value is not None and value == number(task["answer"])
        is_marked = bool(found[i].get("checked"))
        right += is_right
        marked += is_marked
        both += is_right and is_marked
        tokens += found[i]["tokens"]
    row = (f"| {label} | {100 * right / len(tasks):.1f} % | {marked} | {both} | {tokens:,} | {seconds:.1f} "
           f"| {peak[0] * 1024 / 1e6:.1f} MB |")
    return seconds, row


def show(label, options):
    seconds, row = run(label, options)
    print(row, flush=True)
    return seconds


def plain_votes(k):
    return ["--no-check", "--vote", str(k)]


# Votes that take a time, between the two measured numbers of votes that are nearest to it.
def votes_for(seconds, measured):
    a, b = sorted(measured, key=lambda k: abs(measured[k] - seconds))[:2]
    if measured[a] == measured[b]:
        return a
    return min(64, max(2, round(a + (seconds - measured[a]) * (b - a) / (measured[b] - measured[a]))))


print("| | right | all marks right | of those right | tokens | seconds | peak memory |")
print("|---|---|---|---|---|---|---|")
show("plain, greedy (`--no-check`)", ["--no-check"])
show("steps taken back (`--restarts 0`)", ["--restarts", "0"])
show("and started over (default)", [])
plain = {5: show("plain, `--vote 5`", plain_votes(5))}
show("`--vote 5 --restarts 0`", ["--vote", "5", "--restarts", "0"])
checked_s = show("`--vote 5`", ["--vote", "5"])
plain[15] = show("plain, `--vote 15`", plain_votes(15))
show("`--vote 15`", ["--vote", "15"])
rows = {}
while (k := votes_for(checked_s, plain)) not in rows and len(rows) < 4:
    plain[k], rows[k] = run(f"plain, `--vote {k}`, the time of `--vote 5`", plain_votes(k))
print(rows[min(rows, key=lambda k: abs(plain[k] - checked_s))])
E1
