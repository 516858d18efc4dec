"""From the stream of measures to the tables of minutes: measure, tables, handler."""
