"""The embedded analytics engine, a room a step, in the order that a line passes.

`records` (what a line is, and when it counts), `rules` (what is measured of the lines, and when it
is said), `evaluation` (one stream's lines through all rules, in event time), then either `service`
(streams in, alarms out, state in SQLite) or `offline` (recorded lines, and tests of rules), which
drive the same evaluation; `cli`. Imports go this way only.
"""
