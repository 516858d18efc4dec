"""The embedded analytics engine, a file a step, in the order that an order line passes.

Pure: `line` and `clock` (when does a line count, when is a tick decided), `rules` and `reference`
(what is measured), `window` (counts a group), `incident` (what is said), `top`, `alarm`,
`tracker` (one rule) and `engine` (all of them). Shell: `history` and `store` (SQLite), `stream`
(Kinesis), `run` and `backtest` (both drive the same engine), `status`, `cli`.
"""
