#!/usr/bin/env bash
# warroom beside ripgrep, grep, lnav, less and tail on the same generated log files: rows 1 to 20 of the log pane's bars,
# printed as a table in Markdown.
#
#   benches/peers.sh [--gb N] [--work FOLDER] [--rows 1,2,8] [--seconds N] [--install]
#
# Files of N gigabytes (1) are made in FOLDER (a temporary one), one format at a time, and deleted afterwards; --gb 10 wants
# 14 GB of room. Missing peers are named and left out; --install fetches them with apt-get first (root). Needs python3 for
# the pseudo-terminals and nothing but it. What lasts long (10 GB: a quarter of an hour) says what it does on stderr.
set -euo pipefail
cd "$(dirname "$0")/.."

args=()
install=no
for a in "$@"; do if [ "$a" = --install ]; then install=yes; else args+=("$a"); fi; done
if [ $install = yes ]; then
  apt-get update -q >/dev/null && apt-get install -qy ripgrep lnav less >/dev/null
fi
command -v python3 >/dev/null || { echo "peers: needs python3 for pseudo-terminals; install it" >&2; exit 1; }
if [ -z "${WARROOM:-}" ] || [ -z "${LOGS_BENCH:-}" ]; then
  cargo build --release --bin warroom --bench logs --message-format=json 2>/dev/null >target/peers.json
  made() { python3 -c 'import json,sys
for line in open("target/peers.json"):
    m = json.loads(line)
    if m.get("executable") and m["target"]["name"] == sys.argv[1] and sys.argv[2] in m["target"]["kind"]: print(m["executable"])' "$@"; }
  WARROOM=${WARROOM:-$(made warroom bin)}
  LOGS_BENCH=${LOGS_BENCH:-$(made logs bench)}
fi
export WARROOM LOGS_BENCH
exec python3 benches/peers.py "${args[@]}"
