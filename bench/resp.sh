#!/usr/bin/env bash
# The store of the example programs beside redis-server: one thread each, on processor 0, asked by
# redis-benchmark on processor 1. Rounds alternate, and medians are shown.
#
#   bench/resp.sh                     5 rounds of 50,000 requests for each case
#   ROUNDS=9 REQUESTS=200000 bench/resp.sh
#
# It needs redis-server and redis-benchmark (Debian: redis-server, redis-tools), and two processors.
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${ROUNDS:-5} requests=${REQUESTS:-50000}
for command in redis-server redis-benchmark redis-cli taskset; do
  command -v "$command" >/dev/null || { echo "there is no $command here" >&2; exit 1; }
done
cargo build --quiet --release -p overlapped --example resp

work=$(mktemp -d) pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; wait; rm -rf "$work"' EXIT
# A port that nobody has: the one that the example was given, plus one for the other, if it is free.
taskset -c 0 target/release/examples/resp 127.0.0.1:0 >"$work/said" &
pids+=($!)
until ours=$(sed -n 's/^listening on .*:\([0-9]*\)$/\1/p' "$work/said") && [ -n "$ours" ]; do sleep 0.05; done
theirs=$((ours < 65000 ? ours + 1 : ours - 1))
taskset -c 0 redis-server --port "$theirs" --save '' --appendonly no --dir "$work" >"$work/log" &
pids+=($!)
until redis-cli -p "$theirs" ping 2>/dev/null | grep -q PONG; do
  kill -0 "${pids[1]}" 2>/dev/null || { tail -n 3 "$work/log" >&2; exit 1; }
  sleep 0.05
done

measure() { # measure PORT PIPELINE: a line for each test, with its requests a second
  taskset -c 1 redis-benchmark -p "$1" -t set,get -P "$2" -n $((requests * ($2 > 1 ? 8 : 1))) --csv 2>/dev/null |
    sed -n 's/^"\([GS]ET\)","\([0-9]*\).*/\1 \2/p'
}
echo "load before: $(cut -d ' ' -f 1-3 /proc/loadavg), $(nproc) processors, $rounds rounds"
for ((round = 0; round < rounds; round++)); do
  for pipeline in 1 16; do
    order=(ours theirs)
    ((round % 2)) && order=(theirs ours)
    for server in "${order[@]}"; do
      measure "${!server}" "$pipeline" | sed "s/^/$pipeline $server /" >>"$work/figures"
    done
  done
done
echo "load after: $(cut -d ' ' -f 1-3 /proc/loadavg)"
median() { awk -v p="$1" -v s="$2" -v t="$3" '$1==p && $2==s && $3==t {print $4}' "$work/figures" | sort -n | sed -n "$(((rounds + 1) / 2))p"; }
printf '| %-4s | %8s | %12s | %12s | %5s |\n' test pipeline example redis-server ratio
for pipeline in 1 16; do
  for test in GET SET; do
    mine=$(median $pipeline ours $test) other=$(median $pipeline theirs $test)
    printf '| %-4s | %8s | %12s | %12s | %5s |\n' "$test" "$pipeline" "$mine" "$other" "$(awk "BEGIN { printf \"%.2f\", $mine / $other }")"
  done
done
