#!/usr/bin/env bash
# `overlapped serve --app files` beside nginx: the same two files, the same load, in turns.
#
#   bench/http.sh                        five rounds of five seconds for each server and file
#   ROUNDS=2 SECONDS_EACH=2 bench/http.sh
#   CONNECTIONS=64 bench/http.sh         [default: 32 for 16 KiB, 16 for 1 MiB]
#   OVERLAPPED=/path/to/overlapped bench/http.sh     another build of the tool
#
# Both servers run with one worker (nginx: one process; overlapped: concurrency 1) on processor 0, the load
# generator wrk with one thread on processor 1; sendfile on, no access log, connections kept alive. Shown are
# the medians over the rounds: requests a second, and the server's processor time for each request, taken from
# /proc before and after each round. It needs Linux, two processors, nginx and wrk, which it installs with
# apt-get where they are missing and it may.
set -euo pipefail
cd "$(dirname "$0")/.."

rounds=${ROUNDS:-5}
seconds=${SECONDS_EACH:-5}

fail() { echo "http.sh: $*" >&2; exit 1; }

[ "$(uname -s)" = Linux ] || fail 'it needs Linux'
[ "$(nproc)" -ge 2 ] || fail 'it needs two processors, one for the server and one for the load'
missing=()
for program in nginx wrk; do command -v $program >/dev/null || missing+=($program); done
if [ ${#missing[@]} -gt 0 ]; then
  { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; } || fail "install ${missing[*]} first"
  # The package would start a server of its own.
  before=$(pgrep -x nginx || true)
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}" >/dev/null
  [ -n "$before" ] || service nginx stop >/dev/null 2>&1 || true
fi
overlapped=${OVERLAPPED:-}
if [ -z "$overlapped" ]; then
  cargo build --release --locked -p overlapped-cli
  overlapped=${CARGO_TARGET_DIR:-target}/release/overlapped
fi

place=$(mktemp -d)
pids=()
finish() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$place"
}
trap finish EXIT
trap 'exit 130' INT TERM

mkdir "$place/files"
head -c 16384 /dev/urandom >"$place/files/16k.bin"
head -c 1048576 /dev/urandom >"$place/files/1m.bin"
chmod -R a+rX "$place"

nginx_port=${NGINX_PORT:-18081}
cat >"$place/nginx.conf" <<CONF
worker_processes 1;
worker_cpu_affinity 01;
daemon off;
pid $place/nginx.pid;
error_log $place/error.log;
events { worker_connections 4096; }
http {
  sendfile on;
  tcp_nopush on;
  access_log off;
  default_type application/octet-stream;
  keepalive_requests 1000000000;
  ${NGINX_HTTP:-}
  server { listen 127.0.0.1:$nginx_port backlog=4096; root $place/files; }
}
CONF
taskset -c 0 nginx -c "$place/nginx.conf" -p "$place" 2>>"$place/nginx.out" &
pids+=($!)

mkfifo "$place/said" "$place/input"
taskset -c 0 "$overlapped" serve 127.0.0.1:0 "$place/files" --app files --concurrency 1 --quiet \
  --until-input-ends <"$place/input" >"$place/said" &
ours=$!
pids+=("$ours")
exec 9>"$place/input"
read -r line <"$place/said"
address=${line#listening on }

for _ in $(seq 100); do [ -s "$place/nginx.pid" ] && break; sleep 0.1; done
[ -s "$place/nginx.pid" ] || fail "nginx did not start: $(cat "$place/nginx.out" "$place/error.log")"
theirs=$(pgrep -P "$(cat "$place/nginx.pid")")

# Processor time of a process in nanoseconds, of all its threads.
time_of() { cat /proc/"$1"/task/*/schedstat | awk '{ sum += $1 } END { printf "%.0f\n", sum }'; }

# one SERVER PID ADDRESS FILE CONNECTIONS: a round; adds a line to the results.
one() {
  local before after said rate requests bad
  before=$(time_of "$2")
  said=$(taskset -c 1 timeout $((seconds + 30)) wrk -t 1 -c "$5" -d "${seconds}s" "http://$3/$4")
  after=$(time_of "$2")
  requests=$(awk '/requests in/ { print $1 }' <<<"$said")
  rate=$(awk '/^Requests\/sec/ { print $2 }' <<<"$said")
  bad=$(grep -E 'Socket errors|Non-2xx' <<<"$said" || true)
  [ -z "$bad" ] || echo "note: $1, $4: $bad"
  awk -v server="$1" -v file="$4" -v rate="$rate" -v time=$((after - before)) -v requests="$requests" \
    'BEGIN { printf "%s %s %.1f %.3f\n", server, file, rate, time / requests / 1000 }' >>"$place/results"
}

median() { sort -g | awk '{ all[NR] = $1 } END { print NR % 2 ? all[(NR + 1) / 2] : (all[NR / 2] + all[NR / 2 + 1]) / 2 }'; }

echo "$(nginx -v 2>&1); $("$overlapped" --version); Linux $(uname -r); $rounds rounds of $seconds s"
for round in $(seq "$rounds"); do
  for file in 16k.bin 1m.bin; do
    connections=${CONNECTIONS:-$([ $file = 16k.bin ] && echo 32 || echo 16)}
    # Who comes first changes, so that neither always follows the other.
    if [ $((round % 2)) = 1 ]; then
      one overlapped "$ours" "$address" $file "$connections"
      one nginx "$theirs" "127.0.0.1:$nginx_port" $file "$connections"
    else
      one nginx "$theirs" "127.0.0.1:$nginx_port" $file "$connections"
      one overlapped "$ours" "$address" $file "$connections"
    fi
  done
done
printf '%-9s %-11s %14s %18s\n' file server 'requests/s' 'server us/request'
for file in 16k.bin 1m.bin; do
  for server in overlapped nginx; do
    rows=$(awk -v server=$server -v file=$file '$1 == server && $2 == file' "$place/results")
    printf '%-9s %-11s %14s %18s\n' $file $server "$(awk '{ print $3 }' <<<"$rows" | median)" \
      "$(awk '{ print $4 }' <<<"$rows" | median)"
  done
done
exec 9>&-
