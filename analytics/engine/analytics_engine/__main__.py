"""`python -m analytics_engine` is `analytics-engine`."""

from analytics_engine.cli import main

main()
