#!/usr/bin/env bash
# Compares `overlapped copy` with cp and dd: medians of interleaved rounds, in milliseconds, and each as a
# share of cp's.
#
#   bench/copy.sh                     1 GiB and 20,000 small files, 5 rounds, in the target directory
#   MIB=256 FILES=5000 ROUNDS=3 DIR=/dev/shm/copy bench/copy.sh
#   TOOL=path/to/overlapped           another build than target/release/overlapped
#
# The large file is copied with a warm cache, then with a cold one where caches may be dropped (as root).
# Sync policy: what is called "+ sync" has the contents on the device when it ends, as sync -d does after cp,
# conv=fdatasync does for dd and --sync file for the tool; the others leave it in the system's cache.
# Every copy is compared with its source once. It needs the room of the large file twice.
set -euo pipefail
cd "$(dirname "$0")/.."
mib=${MIB:-1024} files=${FILES:-20000} rounds=${ROUNDS:-5}
tool=${TOOL:-${CARGO_TARGET_DIR:-target}/release/overlapped}
tool=$(realpath "$tool")
dir=${DIR:-${CARGO_TARGET_DIR:-target}/copy-bench}
mkdir -p "$dir" && cd "$dir"
work=$(mktemp -d -p .) && trap 'rm -rf "$work"' EXIT && cd "$work"

head -c $((mib << 20)) /dev/urandom >large
for ((i = 0; i < 100; i++)); do mkdir -p "tree/$i"; done
for ((i = 0; i < files; i++)); do head -c $((500 + i * 37 % 8000)) large >"tree/$((i % 100))/$i"; done

cp_sync() { cp large copy && sync -d copy; }
tool() { "$tool" copy --quiet "$@"; }
helpers() { OVERLAPPED_FILES=helpers "$tool" copy --quiet "$@"; }
ring() { OVERLAPPED_FILES=ring "$tool" copy --quiet "$@"; }

# Name and command of every way; the copy is called "copy".
large=(
  'cp' 'cp large copy'
  'dd, blocks of 1 MiB' 'dd if=large of=copy bs=1M status=none'
  'overlapped copy' 'tool large copy'
  'overlapped copy, io_uring' 'ring large copy'
  'overlapped copy, helper threads' 'helpers large copy'
  'overlapped copy --automatic' 'tool --automatic large copy'
  'overlapped copy --automatic, io_uring' 'ring --automatic large copy'
  'overlapped copy --automatic, helper threads' 'helpers --automatic large copy'
  'overlapped copy --automatic --verify' 'tool --automatic --verify large copy'
  'overlapped copy --automatic --unbuffered always, io_uring' 'ring --automatic --unbuffered always large copy'
  'overlapped copy --automatic --unbuffered always, helper threads' 'helpers --automatic --unbuffered always large copy'
  'cp + sync' 'cp_sync'
  'dd + sync' 'dd if=large of=copy bs=1M conv=fdatasync status=none'
  'overlapped copy --automatic + sync' 'tool --automatic --sync file large copy'
  'overlapped copy --automatic --unbuffered always + sync' 'tool --automatic --unbuffered always --sync file large copy'
)
tree=(
  'cp -r' 'cp -r tree copy'
  'cp -rp' 'cp -rp tree copy'
  'overlapped copy --recursive' 'tool -r tree copy'
  'overlapped copy --recursive, io_uring' 'ring -r tree copy'
  'overlapped copy --recursive, helper threads' 'helpers -r tree copy'
  'overlapped copy --recursive --automatic' 'tool -r --automatic tree copy'
)

dropped() { sync; { echo 3 >/proc/sys/vm/drop_caches; } 2>/dev/null; }
warm() { cat large >/dev/null; }

measure() { # measure TITLE BEFORE SOURCE WAY...
  local title=$1 before=$2 source=$3 i round start
  shift 3
  local ways=("$@") ; local -A times=()
  for ((round = 0; round < rounds; round++)); do
    for ((i = 0; i < ${#ways[@]}; i += 2)); do
      rm -rf copy
      $before
      start=$(date +%s%N)
      eval "${ways[i + 1]}"
      times[$i]+="$((($(date +%s%N) - start) / 1000)) "
      [ "$round" != 0 ] || diff -r "$source" copy >/dev/null || { echo "${ways[i]}: the copy is not right"; exit 1; }
    done
  done
  rm -rf copy
  printf '\n%s, medians of %d rounds\n\n| | ms | of the first |\n|---|---|---|\n' "$title" "$rounds"
  local first='' median
  for ((i = 0; i < ${#ways[@]}; i += 2)); do
    median=$(printf '%s\n' ${times[$i]} | sort -n | awk '{ t[NR] = $1 } END { print (t[int((NR + 1) / 2)] + t[int((NR + 2) / 2)]) / 2 }')
    first=${first:-$median}
    awk -v name="${ways[i]}" -v median="$median" -v first="$first" \
      'BEGIN { printf "| %s | %.0f | %.2f |\n", name, median / 1000, median / first }'
  done
}

echo "$(uname -sr), $(nproc) processors, $(stat -f -c %T .)"
measure "$mib MiB, warm cache" warm large "${large[@]}"
if dropped; then
  measure "$mib MiB, cold cache" dropped large "${large[@]}"
else
  echo 'Cold cache: skipped, since only root may drop caches.'
fi
measure "$files small files, warm cache" true tree "${tree[@]}"
