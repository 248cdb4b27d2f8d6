"""Runs warroom and its peers on the same files; see peers.sh, which starts this. Standard library only."""

import argparse, fcntl, os, pty, re, select, shutil, signal, statistics, struct, subprocess, sys, tempfile, termios, time

COLUMNS, ROWS = 160, 40
TICK = os.sysconf("SC_CLK_TCK")
HINTS = "customer"  # stands in every message of the JSON file

parser = argparse.ArgumentParser()
parser.add_argument("--gb", type=float, default=1.0)
parser.add_argument("--work")
parser.add_argument("--rows", default="")
parser.add_argument("--seconds", type=float, default=10.0)
options = parser.parse_args()
wanted = {int(n) for n in options.rows.split(",") if n}
warroom, logs = os.environ["WARROOM"], os.environ["LOGS_BENCH"]
work = tempfile.mkdtemp(prefix="peers-", dir=options.work)
home = os.path.join(work, "home")
os.makedirs(home)
ENV = dict(os.environ, HOME=home, XDG_CONFIG_HOME=home + "/c", XDG_STATE_HOME=home + "/s", TERM="xterm-256color",
           COLORTERM="truecolor", LC_ALL="C.UTF-8", LESSHISTFILE="-")
ENV.pop("TMUX", None)
PEERS = {name: shutil.which(name) for name in ("rg", "grep", "lnav", "less", "tail")}
table = []
RATIO = r"ratio ([\d.]+)"


def say(text):
    print(text, file=sys.stderr, flush=True)


def wants(*rows):
    return not wanted or any(r in wanted for r in rows)


def row(n, metric, bar, ours, peer, ratio="", plain="", met=""):
    table.append((n, metric, bar, ours, peer, ratio, plain, met))
    say(f"  row {n}: {ours} | {peer} | {met}")


class Program:
    """A program in a pseudo-terminal."""

    def __init__(self, *argv):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self.began = time.monotonic()
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
            for f in range(3):
                os.dup2(slave, f)
            os.closerange(3, 64)
            os.chdir(work)
            os.execve(argv[0], argv, ENV)
        os.close(slave)
        self.bytes = 0

    def read(self, seconds):
        """Whatever it writes within so many seconds, at most one piece."""
        ready, _, _ = select.select([self.master], [], [], max(seconds, 0))
        if not ready:
            return b""
        try:
            data = os.read(self.master, 1 << 16)
        except OSError:
            return b""
        # Answers to what terminals are asked, as a terminal would give them.
        if b"\x1b[6n" in data:
            os.write(self.master, b"\x1b[1;1R")
        if b"\x1b[c" in data:
            os.write(self.master, b"\x1b[?62;22c")
        self.bytes += len(data)
        return data

    def until(self, needle, seconds, since=None):
        """Seconds from `since` (its start) until it has written the text; None when it does not."""
        since = since or self.began
        seen, end = b"", time.monotonic() + seconds
        while time.monotonic() < end:
            seen = seen[-4096:] + self.read(min(0.2, end - time.monotonic()))
            if needle.encode() in seen:
                return time.monotonic() - since
        return None

    def drain(self, seconds):
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.read(left)

    def cpu(self):
        text = open(f"/proc/{self.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(text[11]) + int(text[12])) / TICK

    def memory(self, key="VmRSS"):
        text = open(f"/proc/{self.pid}/status").read()
        return int(re.search(key + r":\s+(\d+)", text).group(1)) / 1024

    def keys(self, text):
        os.write(self.master, text.encode())

    def end(self):
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        os.waitpid(self.pid, 0)
        os.close(self.master)


def run(*argv):
    return subprocess.run(argv, env=ENV, capture_output=True, text=True, check=False).stdout


def bench(*args):
    out = run(logs, *map(str, args))
    say("    " + out.strip().replace("\n", "\n    "))
    return out


def timed(*argv):
    """Best, median of five and the lines of output."""
    took = []
    for _ in range(5):
        t = time.monotonic()
        out = subprocess.run(argv, env=ENV, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        took.append(time.monotonic() - t)
    return statistics.median(took), out.count(b"\n")


def number(pattern, text, scale=1.0):
    found = re.findall(pattern, text)
    return statistics.median(float(f) * scale for f in found) if found else None


def spans(pattern, text):
    """Milliseconds of times as Rust prints them."""
    units = {"ns": 1e-6, "µs": 1e-3, "ms": 1.0, "s": 1e3}
    return [float(n) * units[u] for n, u in re.findall(pattern + r"([\d.]+)(ns|µs|ms|s)", text)]


def median(values):
    return statistics.median(values) if values else float("nan")


def plain_read(*files):
    """Seconds that reading the same bytes takes, without looking at them."""
    took = []
    for _ in range(3):
        t = time.monotonic()
        for path in files:
            with open(path, "rb", buffering=0) as f:
                buf = bytearray(1 << 20)
                while f.readinto(buf):
                    pass
        took.append(time.monotonic() - t)
    return min(took)


def make(format, gb, name):
    path = os.path.join(work, name)
    out = bench("make", format, gb, path)
    return path, int(re.search(r"(\d+) requests", out).group(1))


def first_paint(*argv, times=15, needle=HINTS):
    took, peak = [], []
    for _ in range(times):
        p = Program(*argv)
        t = p.until(needle, 8)
        if t is not None:
            took.append(t * 1e3)
        peak.append(p.memory())
        p.end()
    took.sort()
    return took, median(peak)


class Writer:
    """Writes lines to a file at a rate, in another process."""

    CODE = r"""
import sys, time
path, rate = sys.argv[1], float(sys.argv[2])
f = open(path, "ab", buffering=0)
began, n = time.time(), 0
while True:
    t = time.time()
    due = int((t - began) * rate)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(t)) + ".%03dZ" % (t % 1 * 1000)
    f.write("".join('{"ts":"%s","level":"%s","request_id":"%016x","status":200,"message":"order %d placed for customer %d"}\n'
        % (stamp, "error" if i % 100 == 0 else "info", i * 2654435761 % 2**64, i, i % 997) for i in range(n, due)).encode())
    n = due
    time.sleep(0.01 if rate >= 500 else 0.02)
"""

    def __init__(self, path, rate):
        self.process = subprocess.Popen([sys.executable, "-c", self.CODE, path, str(rate)])

    def end(self):
        self.process.kill()
        self.process.wait()


def followers(path):
    """Each program that follows a file, by name."""
    out = {"warroom": (warroom, path)}
    if PEERS["tail"]:
        out["tail -F"] = (PEERS["tail"], "-F", path)
    if PEERS["lnav"]:
        out["lnav"] = (PEERS["lnav"], path)
    if PEERS["less"]:
        out["less +F"] = (PEERS["less"], "+F", path)
    return out


def followed(path, rate, seconds):
    """Share of a core, kB/s to the terminal, for each program."""
    out = {}
    for name, argv in followers(path).items():
        if os.path.exists(path):
            os.remove(path)
        w = Writer(path, max(rate, 1000))
        time.sleep(1)
        if rate == 0:
            w.end()
        p = Program(*argv)
        p.drain(4)
        c, b, t = p.cpu(), p.bytes, time.monotonic()
        p.drain(seconds)
        passed = time.monotonic() - t
        out[name] = ((p.cpu() - c) / passed * 100, (p.bytes - b) / passed / 1e3)
        p.end()
        if rate:
            w.end()
    return out


def text_of(figures, i, unit, skip=("warroom",)):
    return ", ".join(f"{name} {v[i]:.1f}{unit}" for name, v in figures.items() if name not in skip)


def latencies(path):
    """Milliseconds from a write to the line on the screen, at 1,000 lines/s, for warroom."""
    if os.path.exists(path):
        os.remove(path)
    w = Writer(path, 1000)
    time.sleep(1)
    p = Program(warroom, path)
    p.drain(4)
    took, missed = [], 0
    marks = ["¤¤¤", "§§§", "¶¶¶", "µµµ", "øøø", "þþþ"]
    with open(path, "ab", buffering=0) as f:
        for i in range(150):
            mark = marks[i % len(marks)]
            t = time.time()
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(t)) + ".%03dZ" % (t % 1 * 1000)
            began = time.monotonic()
            f.write(f'{{"ts":"{stamp}","level":"info","message":"{mark} here"}}\n'.encode())
            seen = p.until(mark, 0.5, began)
            if seen is None:
                missed += 1
            else:
                took.append(seen * 1e3)
            p.drain(0.07)
    p.end()
    w.end()
    return sorted(took), missed


def repaints(paths, following):
    """Milliseconds from a key to what it brings on the screen, while files are indexed and one is followed."""
    w = Writer(following, 1000)
    time.sleep(0.5)
    took = []
    for _ in range(4):
        p = Program(warroom, following, *paths)
        p.until(HINTS, 10)
        for _ in range(12):
            began = time.monotonic()
            p.keys("?")
            seen = p.until("Keys that work", 1, began)
            if seen is not None:
                took.append(seen * 1e3)
            p.drain(0.05)
            p.keys("\x1b")
            p.drain(0.12)
        p.end()
    w.end()
    return sorted(took)


def p99(values):
    return values[min(len(values) - 1, int(len(values) * 0.99))] if values else float("nan")


def met(ok):
    return "yes" if ok else "**no**"


def main():
    gb = options.gb
    missing = [name for name, path in PEERS.items() if not path]
    if missing:
        say(f"not installed, left out: {', '.join(missing)} (benches/peers.sh --install)")
    say(f"files of {gb:g} GB in {work}")
    path, requests = make("json", gb, "app.jsonl")
    size = os.path.getsize(path)
    plain = plain_read(path)
    say(f"plain read: {size / plain / 1e9:.1f} GB/s")

    if wants(1, 7):
        took, _ = first_paint(warroom, path)
        peers = {}
        if PEERS["less"]:
            peers["less (head)"] = median(first_paint(PEERS["less"], path, times=5)[0])
        if PEERS["lnav"]:
            peers["lnav"] = median(first_paint(PEERS["lnav"], path, times=1)[0])
        best = min((v for v in peers.values() if v == v), default=float("nan"))
        row(1, f"start to the newest lines painted, {gb:g} GB", "60 ms", f"{median(took):.0f} ms, p99 {p99(took):.0f}",
            ", ".join(f"{k} {v:.0f} ms" if v == v else f"{k}: not in 8 s" for k, v in peers.items()), f"{median(took) / best:.2f}", "", met(p99(took) <= 60))

    if wants(2):
        out = bench("newest", path)
        ms = number(r"median ([\d.]+) ms", out)
        least = plain / size * (256 << 20) * 1e3
        row(2, "last 256 MiB indexed, in the background", "300 ms", f"{ms:.0f} ms", "none", "", f"{ms / least:.1f}", met(ms <= 300))

    index = bench("index", path) if wants(3, 6) else ""
    if wants(3):
        speed = number(r"; ([\d.]+) GB/s of a core", index)
        row(3, "index, JSON, a core", "1.0 GB/s", f"{speed:.2f} GB/s", "hl 0.3, lnav 0.1 (quoted)", f"{speed / 0.3:.1f}",
            f"{number(RATIO, index):.1f}", met(speed >= 1.0))
    if wants(6):
        line = number(r"([\d.]+) bytes a line", index)
        capped = bench("cap", 4, path)
        taken = number(r": ([\d.]+) MiB taken", capped)
        row(6, "index memory, JSON; with a cap of 4 MiB", "2 B/line; cap holds", f"{line:.2f} B/line; {taken:.2f} MiB",
            "hl 0.15, klogg 2, lnav 69 (quoted)", "", "", met(line <= 2 and taken <= 4))

    if wants(9):
        ours = bench("pivot", requests, path)
        first = median(spans(r"from where it happened: first ", ours))
        everything = median(spans(r"in the middle: first \S+ all ", ours))
        identity = run(logs, "id", str(requests // 2), "json").strip()
        peers = {}
        if PEERS["rg"]:
            peers["rg"] = timed(PEERS["rg"], "-F", identity, path)[0] * 1e3
            peers["rg --no-mmap"] = timed(PEERS["rg"], "--no-mmap", "-F", identity, path)[0] * 1e3
        if PEERS["grep"]:
            peers["grep -F"] = timed(PEERS["grep"], "-F", identity, path)[0] * 1e3
        best = min(peers.values(), default=float("nan"))
        row(9, f"pivot, nothing indexed, {gb:g} GB: first hit from the cursor; all", "100 ms; 1.2 x rg",
            f"{first:.0f} ms; {everything:.0f} ms", ", ".join(f"{k} {v:.0f} ms" for k, v in peers.items()),
            f"{everything / best:.2f}", f"{everything / plain / 1e3:.2f}", met(first <= 100 and everything <= 1.2 * best))

    if wants(21):
        pattern = r"stock reserved for customer 99[0-9]{2}"
        ours = bench("search", pattern, path)
        everything = median(spans(r" all ", ours))
        peers = {"rg": timed(PEERS["rg"], pattern, path)[0] * 1e3} if PEERS["rg"] else {}
        if PEERS["grep"]:
            peers["grep -E"] = timed(PEERS["grep"], "-E", pattern, path)[0] * 1e3
        best = min(peers.values(), default=float("nan"))
        row(21, f"regular expression, all hits as rows, {gb:g} GB", "", f"{everything:.0f} ms",
            ", ".join(f"{k} {v:.0f} ms" for k, v in peers.items()), f"{everything / best:.2f}", f"{everything / plain / 1e3:.2f}", "")

    if wants(14):
        ms = number(r"median ([\d.]+) ms", bench("seek", path))
        row(14, f"to a second in {gb:g} GB, nothing indexed", "10 ms", f"{ms:.1f} ms", "hl 10 ms (quoted, with its index)", f"{ms / 10:.2f}", "", met(ms <= 10))

    if wants(7):
        small = []
        for i in range(100):
            name = os.path.join(work, f"small-{i}.log")
            with open(path, "rb") as f:
                f.seek(i * 3_000_000 % max(size - 2_000_000, 1))
                data = f.read(1_000_000)
            with open(name, "wb") as f:
                f.write(data[data.find(b"\n") + 1:])
            small.append(name)
        p = Program(warroom, path, *small)
        p.drain(20 + 2 * gb)
        ours = p.memory()
        anonymous = p.memory("RssAnon")
        p.end()
        peer = ""
        if PEERS["lnav"] and gb <= 2:
            q = Program(PEERS["lnav"], path)
            q.drain(30)
            peer = f"lnav {q.memory():.0f} MiB (the one file)"
            q.end()
        row(7, f"resident, {gb:g} GB and 100 sources", "350 MiB", f"{ours:.0f} MiB ({anonymous:.0f} anonymous)", peer, "", "", met(ours <= 350))
        for name in small:
            os.remove(name)

    if wants(13):
        took = repaints([path], os.path.join(work, "live.jsonl"))
        row(13, "key to repaint while indexing and following", "16 ms p99, 33 max",
            f"median {median(took):.1f}, p99 {p99(took):.1f}, max {max(took, default=0):.1f} ms of {len(took)}", "", "", "", met(p99(took) <= 16 and took[-1] <= 33))
        os.remove(os.path.join(work, "live.jsonl"))

    # From here on with the other formats beside it, made when they are needed.
    other = gb * 0.4
    if wants(3, 8):
        second, requests2 = make("logfmt", other, "worker.log")
        if wants(3):
            out = bench("index", second)
            speed = number(r"; ([\d.]+) GB/s of a core", out)
            row(3, "index, logfmt, a core", "1.0 GB/s", f"{speed:.2f} GB/s", "hl 0.3 (quoted)", f"{speed / 0.3:.1f}",
                f"{number(RATIO, out):.1f}", met(speed >= 1.0))
        if wants(8):
            ours = bench("pivot", min(requests, requests2), path, second)
            ms = number(r"rows in all, \d+ at least: median ([\d.]+) ms", ours)
            worst = number(r"rows in all, \d+ at least: median [\d.]+ ms, worst of \d+ ([\d.]+) ms", ours)
            row(8, f"pivot, indexed, {gb:g} + {other:g} GB, merged rows", "25 ms", f"{ms:.1f} ms, worst {worst:.1f}", "none (rg rescans)", "", "", met(worst <= 25))
        os.remove(second)
    os.remove(path)

    if wants(4):
        third, _ = make("access", other, "access.log")
        out = bench("index", third)
        speed = number(r"; ([\d.]+) GB/s of a core", out)
        line = number(r"([\d.]+) bytes a line", out)
        row(4, "index, access log, a core; a new ID on every line", "0.8 GB/s; 6 B/line", f"{speed:.2f} GB/s; {line:.2f} B/line",
            "lnav 0.03 to 0.1 (quoted)", f"{speed / 0.1:.1f}", f"{number(RATIO, out):.1f}", met(speed >= 0.8 and line <= 6))
        os.remove(third)

    live = os.path.join(work, "live.jsonl")
    if wants(10):
        took, missed = latencies(live)
        row(10, "new line visible after write, at 1,000 lines/s", "50 ms p99",
            f"median {median(took):.0f}, p99 {p99(took):.0f} ms of {len(took)}; {missed} scrolled past between two frames", "", "", "", met(p99(took) <= 50))
    if wants(11, 12):
        idle = followed(live, 0, options.seconds)
        slow = followed(live, 1000, options.seconds)
        fast = followed(live, 20000, options.seconds)
        cpu = [f["warroom"][0] for f in (idle, slow, fast)]
        peers = "; ".join(text_of(f, 0, " %") for f in (idle, slow, fast))
        row(11, "CPU idle / 1,000 / 20,000 lines/s", "0.2 / 1.5 / 12 %", " / ".join(f"{c:.1f}" for c in cpu) + " %", peers,
            "", "", met(cpu[0] <= 0.2 and cpu[1] <= 1.5 and cpu[2] <= 12))
        sent = slow["warroom"][1]
        row(12, f"to the terminal at 1,000 lines/s, {COLUMNS}x{ROWS}", "8 kB/s", f"{sent:.1f} kB/s", text_of(slow, 1, " kB/s"), "", "", met(sent <= 8))
    if wants(22):
        flood = followed(live, 100000, options.seconds)
        row(22, "CPU at 100,000 lines/s", "", f"{flood['warroom'][0]:.0f} %", text_of(flood, 0, " %"), "", "", "")
    if os.path.exists(live):
        os.remove(live)
    if wants(16):
        long = os.path.join(work, "long.jsonl")
        with open(long, "wb") as f:
            f.write(b'{"ts":"2026-11-20T14:02:31Z","level":"info","message":"first customer"}\n')
            f.write(b'{"ts":"2026-11-20T14:02:32Z","level":"info","message":"')
            for _ in range(1000):
                f.write(b"x" * 1_000_000)
            f.write(b'"}\n{"ts":"2026-11-20T14:02:33Z","level":"info","message":"last customer"}\n')
        p = Program(warroom, long)
        t = p.until("last customer", 20)
        p.drain(10)
        rss = p.memory()
        p.end()
        os.remove(long)
        row(16, "a line of 1 GB: newest line painted; resident after 10 s", "no stall, no OOM",
            f"{t * 1e3:.0f} ms; {rss:.0f} MiB" if t else "not painted in 20 s", "lnav cuts at 4 MiB (quoted)", "", "", met(t is not None and rss < 350))

    print(f"| # | what | bar | warroom | peers | x best peer | x plain read | met |\n|---|---|---|---|---|---|---|---|")
    for r in sorted(table, key=lambda r: r[0]):
        print("| " + " | ".join(str(c) if c != 21 and c != 22 else "-" for c in r) + " |")


try:
    main()
finally:
    shutil.rmtree(work, ignore_errors=True)
