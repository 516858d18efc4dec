"""Records that something was done to."""

import random


def mutated(rng: random.Random, data: bytes) -> bytes:
    """The record with something done to its bytes."""
    text = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        place = rng.randrange(len(text) + 1)
        match rng.randrange(5):
            case 0:
                text[place : place + 1] = bytes([rng.randrange(256)])
            case 1:
                del text[place : place + rng.randrange(1, 20)]
            case 2:
                text[place:place] = rng.choice((b'"', b"{", b"[" * 300, b"\\u0000", b"\\ud800"))
            case 3:
                text[place:place] = text[: rng.randrange(1, 30)]
            case _:
                text[place:place] = rng.choice((b"9", b"-", b"e400", b"0" * 40, b"\xe2\x80\xae"))
    return bytes(text)
