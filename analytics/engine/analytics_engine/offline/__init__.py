"""Without streams: `backtest` over a `recording`, `rule_tests`, and the `report` for people."""
