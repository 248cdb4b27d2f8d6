#!/usr/bin/env bash
# Makes tests/recordings/outage.wr: the demo breaks and is rolled back, with three notes, seen from a machine of its own
# (a namespace with its own host name and process list, so that nothing of the maker's machine is in the recording).
# Needs root for unshare. Usage: tests/recordings/make.sh path/to/warroom
set -euo pipefail
program=$(realpath "${1:?path to the warroom binary}")
out=$(cd "$(dirname "$0")" && pwd)/outage.wr
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cp "$program" "$dir/warroom"
cat > "$dir/run" <<'SH'
hostname web-2
export PATH=/demo/bin:$PATH HOME=/demo TMPDIR=/demo/tmp USER=kim LOGNAME=kim
cd /demo
warroom demo --headless --for 62s --deploy-at 16s --rollback-at 44s --record /demo/outage.wr &
# The log is made by the first note: only its folder can be matched by a pattern.
note() { warroom note --log "$(echo /demo/tmp/warroom-demo-*)/incident.sqlite" "$@" >/dev/null; }
sleep 25; note '> 503s only on /orders'
sleep 8; note '? 1.4.2 dropped the index on orders(user_id)'
sleep 12; note '! rolled back to 1.4.1'
wait
SH
mkdir -p "$dir/bin" "$dir/tmp"
mv "$dir/warroom" "$dir/bin/"
unshare --mount --uts --pid --fork --mount-proc bash -c "mkdir -p /demo && mount --bind '$dir' /demo && bash /demo/run"
cp "$dir/outage.wr" "$out"
ls -l "$out"
