"""Without streams: `backtest` over each `recording` (of `files`, put in `order`), `rule_tests`, and
the `report` for people."""
