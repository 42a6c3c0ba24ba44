#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# How fast `nibble pull` is where the network is not the limit: a file of random bytes from the test Hub on the loopback,
# hashed on the way and made durable, against curl with sha256sum run after it. Interleaved; medians; peak memory.
#
#   tests/bench/hub_speed.sh [BUILD]      environment: MIB (1024), ROUNDS (5), TMPDIR (twice MIB and more)
set -eu

build=$(realpath "${1:-build}")
mib=${MIB:-1024}
rounds=${ROUNDS:-5}
work=$(mktemp -d)
trap 'exec 8>&-; rm -rf "$work"' EXIT

mkdir -p "$work/repo"
head -c "${mib}M" /dev/urandom >"$work/repo/model.safetensors"
echo '{}' >"$work/repo/config.json"
mkfifo "$work/input"
"$build/tests/hub/serve_hub" acme/large="$work/repo" <"$work/input" >"$work/hub.log" &
exec 8>"$work/input"
until grep -q HF_ENDPOINT "$work/hub.log"; do sleep 0.1; done
HF_ENDPOINT=$(sed -n 's/^HF_ENDPOINT=//p' "$work/hub.log")
export HF_ENDPOINT HF_HOME=$work/home
unset HF_TOKEN HF_HUB_CACHE HF_HUB_OFFLINE http_proxy https_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY all_proxy
expected=$(sha256sum "$work/repo/model.safetensors" | cut -d' ' -f1)

now() { date +%s%N; }
median() { sort -n | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

# Prints its peak memory in kB.
peak_of() # COMMAND...
{
    "$@" >/dev/null 2>"$work/err" &
    local child=$! peak=0 line
    while line=$(grep VmHWM "/proc/$child/status" 2>/dev/null); do
        peak=$(tr -dc 0-9 <<<"$line")
        sleep 0.02
    done
    wait "$child" || { cat "$work/err" >&2; exit 1; }
    echo "$peak"
}

pull_once()
{
    rm -rf "$HF_HOME"
    local begin end peak
    begin=$(now)
    peak=$(peak_of "$build/nibble" pull acme/large)
    end=$(now)
    [ -f "$HF_HOME/hub/models--acme--large/blobs/$expected" ] || { echo 'the file did not come' >&2; exit 1; }
    echo "$peak" >>"$work/peaks"
    awk -v ns=$((end - begin)) 'BEGIN { print ns / 1e9 }' >>"$work/pull"
}

curl_once()
{
    rm -f "$work/copy"
    local begin end sum
    begin=$(now)
    curl -sSfL -o "$work/copy" "$HF_ENDPOINT/acme/large/resolve/main/model.safetensors"
    sum=$(sha256sum "$work/copy" | cut -d' ' -f1)
    end=$(now)
    [ "$sum" = "$expected" ] || { echo 'curl got another file' >&2; exit 1; }
    rm -f "$work/copy"
    awk -v ns=$((end - begin)) 'BEGIN { print ns / 1e9 }' >>"$work/curl"
}

for _ in $(seq "$rounds"); do
    pull_once
    curl_once
done
rm -rf "$HF_HOME"
awk -v mib="$mib" -v pull="$(median <"$work/pull")" -v curl="$(median <"$work/curl")" -v peak="$(sort -n "$work/peaks" | tail -n 1)" 'BEGIN {
    mb = mib * 1.048576
    printf "%d MiB, nibble pull: %.2f s, %.0f MB/s, peak %.1f MB\n", mib, pull, mb / pull, peak * 1024 / 1e6
    printf "%d MiB, curl and then sha256sum: %.2f s, %.0f MB/s\n", mib, curl, mb / curl
    printf "speed of the pull: %.0f %% of that (expected: at least 85 %%, below 20 MB)\n", 100 * curl / pull }'
