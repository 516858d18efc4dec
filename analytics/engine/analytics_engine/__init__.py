"""The embedded analytics engine, a file a step, in the order that an order line passes.

Pure: `line` and `clock` (when does a line count, when is a tick decided), `intake` (each line once,
to its tick), `rules`, `reference`, `grouping` and `measure` (what is measured), `window` (counts a
group), `incident`, `top` and `announce` (what is said), `tracker` (one rule), `late` and
`hindsight` (what late lines change), `engine` (all rules). Shell: `history` and `store` (SQLite),
`stream` (Kinesis), `run` and `backtest` (both drive the same engine), `status`, `metrics`, `cli`.
"""
