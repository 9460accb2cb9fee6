#!/usr/bin/env bash
# The latency of a cheap route, asked 1,000 times a second, beside 8 clients of a route that inserts into SQLite
# with fsync. The HTTP API of the example programs, with its default settings and no word of blocking in it, beside
# axum with the query in `spawn_blocking` (with which it is compared) and with the query in the handler.
#
#   bench/blocking.sh                 7 rounds of 3 s, in which the servers take turns
#   ROUNDS=3 SECONDS_EACH=1 bench/blocking.sh
#
# The databases are alike (WAL, synchronous FULL), in one folder. The example has one connection to its database, under a
# lock; axum's threads have one each. They are made in a folder of TMPDIR, which has to be on a disk for fsync to take time.
# BIN=DIR takes beside-slow and http-slow as they are there, and builds nothing but the example.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --quiet --release -p examples --example http_sqlite
if [ -z "${BIN:-}" ]; then
  cargo build --quiet --release --manifest-path bench/Cargo.toml --features http --bin beside-slow --bin http-slow
fi
bin=$(realpath "${BIN:-bench/target/release}") example=$(realpath target/release/examples/http_sqlite)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
echo "load before: $(cut -d ' ' -f 1-3 /proc/loadavg), $(nproc) processors, $(stat -f -c %T .)"
axum="$bin/http-slow --slow sqlite --database $work/axum.sqlite --threads $(nproc) --on"
"$bin/beside-slow" --rounds "${ROUNDS:-7}" --seconds "${SECONDS_EACH:-3}" \
  --server "axum-spawn-blocking=$axum tokio-spawn-blocking" \
  --server "example=$example" \
  --server "axum-inline=$axum tokio"
echo "load after: $(cut -d ' ' -f 1-3 /proc/loadavg)"
