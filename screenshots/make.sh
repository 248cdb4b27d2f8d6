#!/usr/bin/env bash
# Makes the screenshots from the golden recording, 24 seconds before its end: the outage at its worst.
# Usage: screenshots/make.sh [path/to/warroom]
set -euo pipefail
cd "$(dirname "$0")/.."
program=${1:-}
if [ -z "$program" ]; then
  cargo build --release
  program=target/release/warroom
fi
shot() { # name size theme [more arguments]
  local name=$1 size=$2 theme=$3
  shift 3
  "$program" screen tests/recordings/outage.wr --at=-24s --size "$size" --theme "$theme" --format svg "$@" > "screenshots/$name.svg"
}
for theme in dark light; do
  shot "outage-160x45-$theme" 160x45 "$theme"
  shot "outage-80x24-$theme" 80x24 "$theme"
done
shot database-120x36-dark 120x36 dark --pane database
shot request-120x36-night 120x36 night --filter "$("$program" query logs --recording tests/recordings/outage.wr --filter 'status=503 format=json' --json | sed -n '40s/.*"request_id":"\([^"]*\)".*/request_id=\1/p')"
ls -l screenshots/*.svg
