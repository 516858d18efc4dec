"""Reads a file and splits its lines, and does nothing with them."""

import sys

with open(sys.argv[1], "rb") as file:
    while block := file.read(64 * 1024):
        block.split(b"\n")
