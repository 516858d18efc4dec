"""The fixtures of these tests."""

from tests.analytics.flink import flink

__all__ = ["flink"]
