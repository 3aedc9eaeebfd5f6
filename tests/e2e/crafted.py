"""Packs and torrents by hand (docs/pack-format.md, docs/metainfo.md): with good digests throughout,
and whatever else a test wants in them.
"""

import hashlib
import struct

import bencode

FILE, FOLDER, SYMLINK, HARDLINK = range(4)
PIECE_LENGTH = 16384
MANIFEST_FRAME, TRAILER_FRAME = 0x184D2A5A, 0x184D2A5B


def varint(value):
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def text(value):
    return varint(len(value)) + value


def zstd_frame(blocks, content_size):
    """A zstd frame (RFC 8878) of (type, data, size) blocks; it says that it holds content_size."""
    out = struct.pack("<IBI", 0xFD2FB528, 0xA0, content_size)
    for number, (kind, data, size) in enumerate(blocks):
        last = number == len(blocks) - 1
        out += (int(last) | kind << 1 | size << 3).to_bytes(3, "little") + data
    return out


def zstd_stored(data):
    """The data as it is, in a zstd frame."""
    parts = [data[at:at + 100_000] for at in range(0, len(data), 100_000)] or [b""]
    return zstd_frame([(0, part, len(part)) for part in parts], len(data))


def zstd_zeros(size):
    """That many zeros, in next to nothing."""
    sizes = [min(100_000, size - at) for at in range(0, size, 100_000)]
    return zstd_frame([(1, b"\0", part) for part in sizes], size)


class Entry:
    def __init__(self, path, kind=FILE, content=b"content", mode=0o755, target=b""):
        self.path, self.kind, self.mode = path, kind, mode
        self.content = content if kind == FILE else b""
        self.target = target  # symlink: bytes; hard link: the number of an entry


class Pack:
    """A pack of these entries, in this order. Parts of it may be changed before build()."""

    def __init__(self, entries):
        self.entries = entries
        self.entry_count = len(entries)
        self.frame_count = 1
        self.tar, self.offsets = b"", []
        for entry in entries:
            self.tar += bytes(512)  # a header, which murder never reads
            self.offsets.append(len(self.tar))
            self.tar += entry.content + bytes(-len(entry.content) % 512)
        self.tar += bytes(1024)
        self.frame = zstd_stored(self.tar)
        self.raw_size = len(self.tar)
        self.frame_digest = hashlib.sha256(self.tar).digest()
        self.stored_manifest = None  # else as it is to be stored
        self.manifest_digest = None  # else what the torrent says

    def manifest_body(self):
        files = [entry for entry in self.entries if entry.kind == FILE]
        out = varint(1) + varint(0) + varint(self.entry_count) + varint(self.frame_count)
        out += b"".join(text(entry.path) for entry in self.entries)
        out += b"".join(varint((entry.mode if entry.kind in (FILE, FOLDER) else 0) << 2
                               | entry.kind) for entry in self.entries)
        for entry in self.entries:
            if entry.kind == SYMLINK:
                out += text(entry.target)
            elif entry.kind == HARDLINK:
                out += varint(entry.target)
        out += varint(self.raw_size) + varint(len(self.frame))
        out += b"".join(varint(len(entry.content)) + varint(0) for entry in files)
        out += b"".join(hashlib.sha256(entry.content).digest() for entry in files)
        return out + self.frame_digest

    def build(self, tag, folder):
        """Writes pack and torrent; their paths."""
        stored = self.stored_manifest or zstd_stored(self.manifest_body())
        offset = len(self.frame) + 8
        digest = hashlib.sha256(stored).digest()
        trailer = struct.pack("<8sIIQQ", b"MURDPACK", 1, 0, offset, len(stored)) + digest
        content = (self.frame + struct.pack("<II", MANIFEST_FRAME, len(stored)) + stored
                   + struct.pack("<II", TRAILER_FRAME, len(trailer)) + trailer)
        pack, torrent = folder / f"{tag}.tar.zst", folder / f"{tag}.torrent"
        pack.write_bytes(content)
        pieces = [content[at:at + PIECE_LENGTH] for at in range(0, len(content), PIECE_LENGTH)]
        torrent.write_bytes(bencode.encode({"info": {
            "length": len(content), "name": pack.name, "piece length": PIECE_LENGTH,
            "pieces": b"".join(hashlib.sha1(piece).digest() for piece in pieces),
            "piece sha256": b"".join(hashlib.sha256(piece).digest() for piece in pieces),
            "private": 1,
            "murder": {"format": 1, "kind": "pack", "tag": tag,
                       "manifest": {"offset": offset, "length": len(stored),
                                    "sha256": self.manifest_digest or digest}}}}))
        return pack, torrent
