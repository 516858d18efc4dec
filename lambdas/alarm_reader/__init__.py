"""Reads the alarm history for operators: queries, handler."""
