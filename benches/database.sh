#!/usr/bin/env bash
# What looking at a PostgreSQL costs that server and this program, beside pg_activity on the same server in the same run:
# 300 sessions at work, 5,000 statements in the statistics.
#
#   cargo build --release && benches/database.sh [SECONDS]        default 60; needs postgresql, pg-activity, tmux
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
sessions=300
program=$PWD/target/release/warroom
bin=$(dirname "$(ls /usr/lib/postgresql/*/bin/initdb | sort -V | tail -1)")
work=$(mktemp -d)
socket=warroom-bench-$$
as() { if [ "$(id -u)" = 0 ]; then setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; else "$@"; fi; }
[ "$(id -u)" = 0 ] && chown postgres: "$work"
port=$((20000 + RANDOM % 20000))
load=
finish() {
  tmux -L "$socket" kill-server 2>/dev/null || true
  [ -n "$load" ] && kill "$load" 2>/dev/null || true
  as "$bin/pg_ctl" -D "$work/data" -m immediate stop >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap finish EXIT
cd "$work"
as "$bin/initdb" -D "$work/data" -U bench -A trust -N --no-locale -E UTF8 >/dev/null
as sh -c "cat > '$work/data/postgresql.auto.conf'" <<CONF
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = '$work'
fsync = off
max_connections = 330
shared_preload_libraries = 'pg_stat_statements'
pg_stat_statements.max = 10000
pg_stat_statements.track = all
pg_stat_statements.track_planning = on
CONF
as "$bin/pg_ctl" -D "$work/data" -w -l "$work/log" start >/dev/null
sql() { "$bin/psql" -qAtX -h 127.0.0.1 -p "$port" -U bench -d postgres -c "$1"; }
sql "CREATE EXTENSION pg_stat_statements"
sql "CREATE ROLE ours LOGIN; CREATE ROLE theirs LOGIN; GRANT pg_monitor TO ours, theirs"
sql "CREATE TABLE kv AS SELECT i AS k, i AS v FROM generate_series(1, 100000) i; CREATE INDEX ON kv (k); ANALYZE"
sql "CREATE TABLE wide ($(for i in $(seq 1 13); do printf '%sc%s int' "$([ "$i" = 1 ] || echo ', ')" "$i"; done))"
sql "DO \$\$ DECLARE cols text; BEGIN FOR i IN 1..5000 LOOP
  SELECT string_agg('c' || b, ', ') INTO cols FROM generate_series(1, 13) b WHERE i & (1 << (b - 1)) <> 0;
  EXECUTE 'SELECT ' || cols || ' FROM wide'; END LOOP; END \$\$"
printf '\\set r random(1, 100000)\nSELECT v FROM kv WHERE k = :r;\n\\sleep 2 s\n' > "$work/load.sql"
"$bin/pgbench" -n -h 127.0.0.1 -p "$port" -U bench -c "$sessions" -j 2 -T $((seconds * 2 + 90)) -f "$work/load.sql" postgres >/dev/null 2>&1 &
load=$!
until [ "$(sql "SELECT count(*) >= $sessions FROM pg_stat_activity WHERE application_name = 'pgbench'")" = t ]; do sleep 0.5; done
mkdir -p home
printf '[host]\nenabled = false\n[deploys]\ndiscover = false\nunits = false\npackages = false\n[incident]\npath = "%s/i.db"\n[[database.postgres]]\nname = "bench"\nurl = "postgres://ours@127.0.0.1:%s/postgres"\n' "$work" "$port" > c.toml
HOME=$work/home tmux -f /dev/null -L "$socket" new-session -d -x 160 -y 45 "$program --config $work/c.toml"
HOME=$work/home tmux -L "$socket" new-window -d "pg_activity -h 127.0.0.1 -p $port -U theirs -d postgres --refresh 1"
sleep 12
# pg_activity names its session itself.
backend() { sql "SELECT pid FROM pg_stat_activity WHERE usename = '$1' LIMIT 1"; }
ticks() { awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$1/stat"; }
client() { pgrep -f "$1" | while read -r p; do tr '\0' ' ' < "/proc/$p/cmdline" | grep -qv '^sh\|^tmux' && echo "$p"; done | head -1; }
us=$(client "^$program --config $work/c.toml")
them=$(client "pg_activity -h 127.0.0.1 -p $port")
stats() { sql "SELECT coalesce(sum(total_exec_time + total_plan_time), 0), coalesce(sum(calls), 0) FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid WHERE rolname = '$1'"; }
declare -A p0 b0 s0
for who in ours theirs; do
  pid=$us; [ $who = theirs ] && pid=$them
  p0[$who]=$(ticks "$pid"); b0[$who]=$(ticks "$(backend $who)"); s0[$who]=$(stats $who)
done
sleep "$seconds"
hz=$(getconf CLK_TCK)
entries=$(sql "SELECT count(*) FROM pg_stat_statements")
echo "$sessions sessions, $entries statements, $seconds s, PostgreSQL $(sql 'SHOW server_version')"
for who in ours theirs; do
  pid=$us; name=warroom; [ $who = theirs ] && { pid=$them; name=pg_activity; }
  p1=$(ticks "$pid"); b1=$(ticks "$(backend $who)"); s1=$(stats $who)
  awk -v n="$name" -v hz="$hz" -v t="$seconds" -v p=$((p1 - p0[$who])) -v b=$((b1 - b0[$who])) -v s0="${s0[$who]}" -v s1="$s1" \
    -v rss="$(awk '/VmRSS/ { print $2 / 1024 }' "/proc/$pid/status")" 'BEGIN {
      split(s0, a, "|"); split(s1, z, "|")
      printf "%-12s server: %5.2f ms/s by its statistics, %5.2f ms/s CPU of its backend, %4.1f statements/s; itself: %4.1f %% of a core, %3.0f MB\n",
        n, (z[1] - a[1]) / t, b * 1000 / hz / t, (z[2] - a[2]) / t, p * 100 / hz / t, rss }'
done
sql "SELECT format('  %s calls, %s ms each: %s', calls, round(((total_exec_time + total_plan_time) / calls)::numeric, 2), left(regexp_replace(query, '\s+', ' ', 'g'), 70))
     FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid WHERE rolname = 'ours' ORDER BY total_exec_time + total_plan_time DESC LIMIT 6"
[ -n "${SHOW:-}" ] && tmux -L "$socket" capture-pane -p -t 0 | head -40 || true
tmux -L "$socket" kill-server
# What a recording of it takes.
HOME=$work/home "$program" record --config "$work/c.toml" --for "${seconds}s" -o "$work/x.wr" >/dev/null 2>&1
bytes=$(stat -c %s "$work/x.wr")
awk -v b="$bytes" -v t="$seconds" 'BEGIN { printf "recording: %d bytes in %d s, %.2f MB an hour\n", b, t, b / t * 3600 / 1e6 }'
