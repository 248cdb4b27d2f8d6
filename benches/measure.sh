#!/usr/bin/env bash
# What warroom costs: start to first frame, CPU, memory, threads, bytes to the terminal. Needs no root; uses `script`
# (util-linux 2.35 or newer) for the pseudo-terminal, /proc/PID for the figures, perl as the writer of log lines and, for
# the start alone, python3.
#
#   benches/measure.sh [BINARY] [CASE…]
#
# BINARY is target/dist/warroom, else target/release/warroom, when it is not given. Cases: start empty idle tail flood growth
# peers query; without any, all but growth (which takes four minutes). Figures are of this machine while it does whatever
# else it does: CPU time is what to compare, and several runs. SECONDS_EACH (20), COLUMNS_ROWS (160x45), LINES_PER_SECOND
# (5000), GROWTH_SECONDS (180), QUERY_MB (1024) change the sizes.
set -euo pipefail
cd "$(dirname "$0")/.."

binary=""
if [ $# -gt 0 ] && [ -x "$1" ]; then binary=$1; shift; fi
[ -n "$binary" ] || for b in target/dist/warroom target/release/warroom; do [ -x "$b" ] && binary=$b && break; done
[ -n "$binary" ] || { echo "measure: no binary; cargo build --profile dist" >&2; exit 1; }
binary=$(readlink -f "$binary")
cases=("$@")
[ ${#cases[@]} -gt 0 ] || cases=(start empty idle tail flood peers query)
each=${SECONDS_EACH:-20}
size=${COLUMNS_ROWS:-160x45}
rate=${LINES_PER_SECOND:-5000}

work=$(mktemp -d)
pids=()
cleanup() {
  exec 9>&- 2>/dev/null || true
  for p in "${pids[@]:-}"; do [ -n "$p" ] && kill "$p" 2>/dev/null || true; done
  rm -rf "$work"
}
trap cleanup EXIT
# Its own home: no configuration, no incident log, no recording of the user is touched.
export HOME=$work/home XDG_CONFIG_HOME=$work/home/.config XDG_STATE_HOME=$work/home/.state TERM=xterm-256color
export COLORTERM=truecolor
mkdir -p "$HOME"
mkfifo "$work/keys"
exec 9<>"$work/keys"
ticks=$(getconf CLK_TCK)

# Writes $1 JSON lines a second to $2 for $3 seconds.
writer() {
  perl -e '
    use Time::HiRes qw(time sleep); use POSIX qw(strftime);
    my ($rate, $file, $for) = @ARGV; open(my $f, ">>", $file) or die; $f->autoflush(0);
    my ($began, $n) = (time, 0);
    while ((my $t = time) < $began + $for) {
      my $due = int(($t - $began) * $rate); my $out = "";
      my $stamp = strftime("%Y-%m-%dT%H:%M:%S", gmtime($t)) . sprintf(".%03dZ", ($t - int($t)) * 1000);
      for (; $n < $due; $n++) {
        my $level = $n % 50 == 0 ? "error" : $n % 17 == 0 ? "warn" : "info";
        $out .= sprintf(qq({"ts":"%s","level":"%s","target":"shop::cart","request_id":"%016x","path":"/checkout/%d","status":%d,"duration_ms":%d,"message":"order %d placed for customer %d"}\n),
          $stamp, $level, $n * 2654435761 % 1e12, $n % 97, $n % 50 ? 200 : 503, $n % 400, $n, $n % 1000);
      }
      syswrite($f, $out) if length $out; sleep(0.02);
    }' "$@"
}

# Starts a program in a pseudo-terminal; its process number is in $pid, what it writes in $work/screen.
in_terminal() {
  rm -f "$work/pid" "$work/screen" "$work/timing"
  : >"$work/screen"
  local command="stty cols ${size%x*} rows ${size#*x}; echo \$\$ > '$work/pid'; exec $*"
  script -q -f -E never -T "$work/timing" -O "$work/screen" -c "$command" <"$work/keys" >/dev/null 2>&1 &
  pids+=($!)
  for _ in $(seq 200); do [ -s "$work/pid" ] && break; sleep 0.01; done
  pid=$(cat "$work/pid")
}

end_it() {
  kill -TERM "$pid" 2>/dev/null || true
  for _ in $(seq 100); do [ -d "/proc/$pid" ] || break; sleep 0.05; done
}

cpu_ticks() { awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$pid/stat"; }
status() { awk -v k="$1:" '$1 == k { print $2 }' "/proc/$pid/status"; }
bytes() { stat -c %s "$work/screen"; }
now() { date +%s.%N; }

# CPU, memory and bytes of $pid over $1 seconds.
watch_it() {
  local c0 b0 t0 c1 b1 t1
  c0=$(cpu_ticks); b0=$(bytes); t0=$(now)
  sleep "$1"
  c1=$(cpu_ticks); b1=$(bytes); t1=$(now)
  awk -v name="$2" -v c="$((c1 - c0))" -v hz="$ticks" -v b="$((b1 - b0))" -v t0="$t0" -v t1="$t1" \
    -v rss="$(status VmRSS)" -v anon="$(status RssAnon)" -v top="$(status VmHWM)" -v n="$(status Threads)" 'BEGIN {
      s = t1 - t0
      printf "%-34s %6.2f %% of a core  rss %5.1f MB (anonymous %5.1f, peak %5.1f)  %2d threads  %7.2f kB/s to the terminal\n",
        name, c / hz / s * 100, rss / 1000, anon / 1000, top / 1000, n, b / s / 1000 }'
}

# Milliseconds from exec to the end of the first frame, and bytes up to there, of 15 starts. `script` would add what it
# takes itself, so this wants python3 for the pseudo-terminal.
first_frames() {
  python3 - "$@" <<'PY'
import fcntl, os, pty, signal, struct, sys, termios, time
columns, rows = map(int, sys.argv[1].split("x"))
took, size = [], 0
for _ in range(15):
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    began = time.monotonic()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        for f in range(3):
            os.dup2(slave, f)
        os.execv(sys.argv[2], sys.argv[2:])
    os.close(slave)
    seen = b""
    while b"\x1b[?2026l" not in seen:
        seen += os.read(master, 65536)
    took.append((time.monotonic() - began) * 1000)
    size = len(seen)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(master)
took.sort()
print("median %.0f ms, worst %.0f ms of %d; %.1f kB" % (took[len(took) // 2], took[-1], len(took), size / 1000))
PY
}

old_log() { writer 5000 "$1" 2; }

for c in "${cases[@]}"; do
  case $c in
    start)
      old_log "$work/start.log"
      if command -v python3 >/dev/null; then
        printf '%-34s ' "start to first frame"; first_frames "$size" "$binary"
        printf '%-34s ' "start to first frame with a file"; first_frames "$size" "$binary" "$work/start.log"
      else
        echo "start: needs python3"
      fi ;;
    empty)
      in_terminal "$binary"; sleep 5; watch_it "$each" "idle, nothing configured"; end_it ;;
    idle)
      old_log "$work/idle.log"
      in_terminal "$binary" "$work/idle.log"; sleep 5; watch_it "$each" "idle, one quiet log"; end_it ;;
    tail)
      old_log "$work/tail.log"
      writer 50 "$work/tail.log" $((each + 10)) & pids+=($!)
      in_terminal "$binary" "$work/tail.log"; sleep 5; watch_it "$each" "50 lines/s"; end_it ;;
    flood)
      old_log "$work/flood.log"
      writer "$rate" "$work/flood.log" $((each + 10)) & pids+=($!)
      in_terminal "$binary" "$work/flood.log"; sleep 5; watch_it "$each" "$rate lines/s"; end_it ;;
    growth)
      old_log "$work/growth.log"
      seconds=${GROWTH_SECONDS:-180}
      writer 2000 "$work/growth.log" $((seconds + 10)) & pids+=($!)
      in_terminal "$binary" "$work/growth.log"; sleep 5
      for i in $(seq 0 20 "$seconds"); do
        echo "$i $(status VmRSS) $(status RssAnon)"
        sleep 20
      done | tee "$work/growth.txt" | awk '{ printf "growth at %3d s: rss %.1f MB, anonymous %.1f MB\n", $1, $2 / 1000, $3 / 1000
        x[NR] = $1; y[NR] = $2; n = NR } END {
        for (i = int(n / 2) + 1; i <= n; i++) { sx += x[i]; sy += y[i]; sxx += x[i] ^ 2; sxy += x[i] * y[i]; m++ }
        printf "slope over the second half: %.2f MB a minute\n", (m * sxy - sx * sy) / (m * sxx - sx ^ 2) * 60 / 1000 }'
      end_it ;;
    peers)
      for peer in "htop" "btop" "top -d 1"; do
        command -v "${peer%% *}" >/dev/null || { echo "${peer%% *}: not installed"; continue; }
        in_terminal "$peer"; sleep 5
        [ -d "/proc/$pid" ] && watch_it "$each" "idle, $peer" || echo "$peer: ended by itself"
        end_it
      done ;;
    query)
      mb=${QUERY_MB:-1024}
      writer 400000 "$work/piece.log" 1
      id=deadbeefcafe0123
      while [ "$(stat -c %s "$work/query.log" 2>/dev/null || echo 0)" -lt $((mb * 1000000)) ]; do cat "$work/piece.log" >>"$work/query.log"; done
      printf '{"ts":"2026-01-02T03:04:05.000Z","level":"error","request_id":"%s","message":"the one"}\n' "$id" >>"$work/query.log"
      cat "$work/piece.log" >>"$work/query.log"
      timed() { local t0 t1; t0=$(now); "$@" >"$work/hits"; t1=$(now); awk -v n="$(wc -l <"$work/hits")" -v a="$t0" -v b="$t1" 'BEGIN { printf "%.2f s, %d hits", b - a, n }'; }
      cat "$work/query.log" >/dev/null
      for _ in 1 2 3; do
        printf 'one request ID in %d MB: ' "$(($(stat -c %s "$work/query.log") / 1000000))"
        printf 'warroom query %s' "$(timed "$binary" query logs --logs "$work/query.log" --filter "request_id=$id")"
        command -v rg >/dev/null && printf '; rg %s' "$(timed rg -F "$id" "$work/query.log")"
        printf '; grep -F %s\n' "$(timed env LC_ALL=C grep -F "$id" "$work/query.log")"
      done ;;
    *) echo "measure: no case $c" >&2; exit 1 ;;
  esac
done
