#!/usr/bin/env python3
"""Lists the frames of a warroom recording, from docs/recording.md alone: the proof that the document is true.

One line a frame: offset type codec schema sequence observed-ns payload-bytes, and for codec 1 its stream, its generation,
the envelopes in it, and whether it is a key, goes on from the frame before in its stream, or has lost that (orphan).
Damage is reported on standard error as the number of bytes that belong to no good frame. Payloads are not decompressed.
"""
import struct
import sys

SYNC = b"\xf7WR\x01"
HEADER = 32
MAX_PAYLOAD = 64 << 20


def crc_table():
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)  # Castagnoli, reflected
        table.append(crc)
    return table


TABLE = crc_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def frames(data):
    """Yields the header of each frame, its checksum and its payload; says at the end how many bytes are damaged."""
    at, damaged = 0, 0
    while at < len(data):
        if len(data) - at >= HEADER and data[at : at + 4] == SYNC:
            kind, codec, schema, length, seq, observed, crc = struct.unpack_from("<BBHIQqI", data, at + 4)
            end = at + HEADER + length
            whole = length <= MAX_PAYLOAD and end <= len(data)
            if whole and crc32c(data[at : at + 28] + data[at + HEADER : end]) == crc:
                yield at, kind, codec, schema, seq, observed, length, crc, data[at + HEADER : end]
                at = end
                continue
        # No good frame here: the next sync mark may begin one.
        to = data.find(SYNC, at + 1)
        to = len(data) if to < 0 else to
        damaged += to - at
        at = to
    print(f"{damaged} bytes belong to no good frame", file=sys.stderr)


def chain(payload, crc, last):
    """What stands at the head of a payload of codec 1; `last` is the checksum of the last frame of each stream."""
    stream, generation, _summary, link, count = struct.unpack_from("<BBHII", payload)
    if link == 0:
        how = "key"
    elif last.get(stream) == link:
        how = "goes-on"
    else:
        how = "orphan"
    last[stream] = crc if how != "orphan" else None
    return stream, generation, count, how


def main():
    with open(sys.argv[1], "rb") as file:
        data = file.read()
    last = {}
    for *frame, crc, payload in frames(data):
        kind, codec = frame[1], frame[2]
        if kind == 1:
            last = {}
        print(*frame, *(chain(payload, crc, last) if codec == 1 else ()))


if __name__ == "__main__":
    main()
