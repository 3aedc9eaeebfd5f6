"""Bencode (BEP 3), both ways, as little as tests need: to craft torrents and to be a tracker."""


def encode(value):
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        return b"%d:%s" % (len(value), value)
    if isinstance(value, list):
        return b"l" + b"".join(map(encode, value)) + b"e"
    items = sorted((key if isinstance(key, bytes) else key.encode(), item)
                   for key, item in value.items())
    return b"d" + b"".join(encode(key) + encode(item) for key, item in items) + b"e"


def decode(data):
    value, end = _decode_at(data, 0)
    assert end == len(data), f"{len(data) - end} bytes after the end"
    return value


def _decode_at(data, at):
    kind = data[at:at + 1]
    if kind == b"i":
        end = data.index(b"e", at)
        return int(data[at + 1:end]), end + 1
    if kind == b"l":
        at, items = at + 1, []
        while data[at:at + 1] != b"e":
            item, at = _decode_at(data, at)
            items.append(item)
        return items, at + 1
    if kind == b"d":
        at, items = at + 1, {}
        while data[at:at + 1] != b"e":
            key, at = _decode_at(data, at)
            items[key], at = _decode_at(data, at)
        return items, at + 1
    colon = data.index(b":", at)
    end = colon + 1 + int(data[at:colon])
    assert end <= len(data), "a string beyond the end"
    return data[colon + 1:end], end
