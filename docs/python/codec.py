"""Decodes segments of codecs 2 and 3, by docs/format/codec.md alone: the reader that a stranger would write.

One file, standard library only, made to be read beside the document; it is slow. Planes are bytes
objects, the most significant first.

    import codec
    planes = codec.decode(head, (hi, mid, low), base_planes, count, width, wanted)

`python3 codec.py <folder>` decodes the golden segments in the JSON files below a folder, at every stop,
and says how many there were; exit code 1 if one of them is not what the file says.
"""

import json
import pathlib
import sys

RAW, BSUB, SUB16, SUB16_TWICE, SUB32, SAME, PALETTE = range(7)
CONSTANT, STORED, RANS = range(3)
NONE, BASE, OWN, ABOVE = range(4)
SLOTS = 2048


class Damage(ValueError):
    """Bytes that contradict themselves."""


def check(condition, what):
    if not condition:
        raise Damage(what)


class Bytes:
    """Bytes, read from the start and never past the end."""

    def __init__(self, data):
        self.data = bytes(data)
        self.at = 0

    def take(self, length):
        check(length <= len(self.data) - self.at, "bytes are missing")
        self.at += length
        return self.data[self.at - length:self.at]

    def u8(self):
        return self.take(1)[0]

    def u16(self):
        return int.from_bytes(self.take(2), "little")

    def varint(self):
        value = 0
        for k in range(8):
            byte = self.u8()
            value |= (byte & 127) << 7 * k
            if byte < 128:
                check(byte > 0 or k == 0, "a varint with a trailing zero")
                check(value < 2 ** 53, "a varint of 2^53 or more")
                return value
        raise Damage("a varint of more than 8 bytes")


class Bits:
    """Bits of bytes, the least significant of each byte first."""

    def __init__(self, source):
        self.source = source
        self.byte = 0
        self.left = 0

    def take(self, count):
        value = 0
        for k in range(count):
            if self.left == 0:
                self.byte, self.left = self.source.u8(), 8
            value |= (self.byte & 1) << k
            self.byte >>= 1
            self.left -= 1
        return value

    def end(self):
        check(self.byte == 0, "padding that is not zero")
        self.left = 0


# Tables


def read_golomb(bits, order):
    k = 0
    while bits.take(1) == 0:
        k += 1
        check(k <= 11, "a code out of range")
    x = bits.take(k)
    y = bits.take(order)
    return ((1 << k) + x - 1 << order) + y


def read_node(bits, log, total):
    """Frequencies of 2^log symbols that add up to total."""
    size = 1 << log
    if total == 0:
        return [0] * size
    if log == 0:
        return [total]
    if total == 1:
        lower = bits.take(1)
    elif bits.take(1) == 0:
        v = read_golomb(bits, max(0, total.bit_length() - 5))
        lower = total // 2 + (v // 2 if v % 2 == 0 else -(v + 1) // 2)
        check(0 <= lower <= total, "a share out of range")
    elif total >= size and bits.take(1) == 0:
        return [(i + 1) * total // size - i * total // size for i in range(size)]
    else:
        lower = total if bits.take(1) else 0
    return read_node(bits, log - 1, lower) + read_node(bits, log - 1, total - lower)


class Table:
    def __init__(self, freq):
        self.freq = freq
        self.start = [sum(freq[:s]) for s in range(256)]
        self.symbols = [s for s in range(256) for _ in range(freq[s])]


# Plane descriptions


class Plane:
    """How one plane is coded."""

    def __init__(self, head, kinds):
        self.mode = head.u8()
        check(self.mode <= RANS, "an unknown mode")
        if self.mode == CONSTANT:
            self.value = head.u8()
        if self.mode != RANS:
            return
        self.kind = head.u8()
        check(self.kind in kinds, "contexts that there are not")
        classes = 1 if self.kind == NONE else head.u8() + 1
        check(classes <= 16, "too many classes")
        self.last = list(head.take(classes - 1))
        check(sorted(set(self.last)) == self.last and 255 not in self.last, "classes in disorder")
        tables = classes
        if self.kind == ABOVE:
            nibbles = [n for byte in head.take(2 * classes) for n in (byte & 15, byte >> 4)]
            self.numbers = [nibbles[4 * c:4 * c + 4] for c in range(classes)]
            tables = 1 + max(nibbles)
        bits = Bits(head)
        self.tables = [Table(read_node(bits, 8, SLOTS)) for _ in range(tables)]
        bits.end()
        self.length = head.varint()

    def table_of(self, context, above):
        """The table of a symbol. context, above: numbers, where its kind has them."""
        if self.kind == NONE:
            return self.tables[0]
        c = sum(context > last for last in self.last)
        if self.kind == ABOVE:
            c = self.numbers[c][{0: 0, 1: 1, 255: 2}.get(above, 3)]
        return self.tables[c]

    def decode(self, n, payload, width, k, base, own, digits):
        """n symbols of plane k. base, own: leading planes; digits: those decoded before."""
        if self.mode == CONSTANT:
            return bytes([self.value]) * n
        if self.mode == STORED:
            return payload.take(n)
        stream = Bytes(payload.take(self.length))
        lanes = 64 if n >= 32768 else 8
        bits = Bits(stream)
        states = []
        for _ in range(lanes):
            m = bits.take(4)
            states.append((1 << 15 + m) + bits.take(15 + m))
        bits.end()
        from_planes = own if self.kind == OWN else base
        high = from_planes[0] if self.kind != NONE else None
        low = None
        if self.kind != NONE and width > 1 and not (self.kind == OWN and k == 1):
            low = from_planes[1]
        shift = 0 if width == 1 else 4 if width == 8 else 1
        out = bytearray(n)
        for i in range(n):
            context = above = 0
            if high is not None:
                context = (high[i] << shift | (low[i] if low else 0) >> 8 - shift) & 255
            if self.kind == ABOVE:
                above = digits[k - 1][i]
            table = self.table_of(context, above)
            x = states[i % lanes]
            slot = x % SLOTS
            out[i] = symbol = table.symbols[slot]
            x = table.freq[symbol] * (x >> 11) + slot - table.start[symbol]
            if x < 1 << 15:
                x = x << 16 | stream.u16()
            states[i % lanes] = x
        check(all(x == 1 << 15 for x in states), "a lane does not end where it began")
        check(stream.at == len(stream.data), "words are left")
        return bytes(out)


# Segments


def class_of(width, k):
    """Which payload plane k is in: 0 hi, 1 mid, 2 low (docs/format/plane.md)."""
    if k < 2:
        return 0
    if width == 4:
        return k - 1
    return 1 if k < 4 else 2


def stops(head, width):
    """Depths of planes that can be decoded alone."""
    if width == 1:
        return [1]
    if head[1] == SUB32:
        return [4]
    if head[1] == SUB16_TWICE:
        return [2, 4]
    return list(range(2, width + 1))


def undo(transform, digits, base):
    """Planes of the child from digits and planes of the base."""
    if transform == RAW:
        return digits
    n, depth = len(digits[0]), len(digits)
    out = [bytearray(n) for _ in range(depth)]
    for i in range(n):
        k = 0
        if transform == SUB32:
            d = int.from_bytes(bytes(digits[p][i] for p in range(4)), "big")
            b = int.from_bytes(bytes(base[p][i] for p in range(4)), "big")
            value = ((d ^ 0x808080) - 0x808080 + b) % 2 ** 32
            for p, byte in enumerate(value.to_bytes(4, "big")):
                out[p][i] = byte
            k = 4
        pairs = {SUB16: [0], SUB16_TWICE: [0, 2]}.get(transform, [])
        for p in [p for p in pairs if p < depth]:
            second = digits[p + 1][i] - (256 if digits[p + 1][i] > 127 else 0)
            value = 256 * digits[p][i] + second + 256 * base[p][i] + base[p + 1][i]
            out[p][i], out[p + 1][i] = value % 2 ** 16 // 256, value % 256
            k = p + 2
        for p in range(k, depth):
            out[p][i] = (digits[p][i] + base[p][i]) % 256
    return [bytes(plane) for plane in out]


def decode(head, classes, base, count, width, wanted):
    """The leading `wanted` planes (a stop) of a segment. base: as many planes as it takes, or None."""
    payloads = [Bytes(payload) for payload in classes]
    source = Bytes(head)
    codec = source.u8()
    check(codec in (2, 3), "another codec")
    transform, flags = source.u8(), source.u8()
    check(transform <= PALETTE, "an unknown transform")
    check(flags <= 1 and not (flags and transform in (SAME, PALETTE)), "unknown flags")
    check(width > 1 or transform not in (SUB16, PALETTE), "a transform of wider elements")
    check(width == 4 or transform not in (SUB16_TWICE, SUB32), "a transform of other widths")
    if wanted not in stops(head, width):
        raise ValueError(f"{wanted} planes are no stop")
    differences = width
    if codec == 3:
        check(transform in (BSUB, SUB16) and not flags, "own planes of another kind of segment")
        differences = source.u8()
        check(2 <= differences < width, "another number of own planes")
    if flags or BSUB <= transform <= SAME:
        check(len(base or ()) >= min(wanted, differences), "the base is missing")
    if transform == SAME:
        planes = [bytes(base[k]) for k in range(wanted)]
    elif transform == PALETTE:
        size = source.u8() + 1
        values = [source.take(size) for _ in range(width)]
        plane = Plane(source, {NONE})
        indices = plane.decode(count, payloads[0], width, 0, None, None, None)
        check(max(indices) < size, "an index that names no value")
        planes = [bytes(values[k][index] for index in indices) for k in range(wanted)]
    else:
        planes = decode_planes(source, payloads, base, count, width, wanted, transform, flags,
                               differences)
    check(source.at == len(source.data), "bytes behind the head")
    return planes


def decode_planes(source, payloads, base, count, width, wanted, transform, masked, differences):
    places = range(count)
    if masked:
        changed = source.varint()
        check(1 <= changed < count, "a mask of nothing or everything")
        plane = Plane(source, {NONE})
        mask = plane.decode((count + 7) // 8, payloads[0], width, 0, None, None, None)
        places = [i for i in range(8 * len(mask)) if mask[i // 8] >> i % 8 & 1]
        check(len(places) == changed and places[-1] < count, "a mask of other elements")
    under = base and [bytes(plane[i] for i in places) for plane in base[:wanted]]
    digits = []
    for k in range(width):
        kinds = {NONE} | (({OWN} if k else set()) if transform == RAW else {BASE})
        if transform != RAW and k:
            kinds.add(ABOVE)
        if k >= differences:
            kinds = {NONE}
        plane = Plane(source, kinds)
        if k < wanted:
            payload = payloads[class_of(width, k)]
            digits.append(plane.decode(len(places), payload, width, k, under, digits, digits))
    values = undo(transform, digits[:differences], under) + digits[differences:]
    if not masked:
        return values
    whole = [bytearray(plane[:count]) for plane in base[:wanted]]
    for j, i in enumerate(places):
        for k in range(wanted):
            whole[k][i] = values[k][j]
    return [bytes(plane) for plane in whole]


# Golden segments


def verify(golden):
    """Decodes one golden segment at every stop. Returns what is wrong, or None."""
    width, count = golden["width"], golden["count"]
    head, *classes = (bytes.fromhex(golden[name]) for name in ("head", "hi", "mid", "low"))
    planes = [bytes.fromhex(plane) for plane in golden["planes"]]
    base = golden["base"] and [bytes.fromhex(plane) for plane in golden["base"]]
    if golden["stops"] != stops(head, width):
        return "other stops"
    for wanted in golden["stops"]:
        needed = [c if any(class_of(width, k) == at for k in range(wanted)) else b""
                  for at, c in enumerate(classes)]
        differences = head[3] if head[0] == 3 else width
        under = base and base[:min(wanted, differences)]
        if decode(head, needed, under, count, width, wanted) != planes[:wanted]:
            return f"other planes at stop {wanted}"
    return None


def main(folder):
    good = bad = 0
    for path in sorted(pathlib.Path(folder).rglob("*.json")):
        for golden in json.loads(path.read_text()):
            try:
                problem = verify(golden)
            except ValueError as error:
                problem = str(error)
            good += problem is None
            bad += problem is not None
            if problem is not None:
                print(f"{path.name}: {golden['name']}: {problem}")
    print(f"{good} decoded, {bad} failed")
    return 0 if bad == 0 and good > 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
