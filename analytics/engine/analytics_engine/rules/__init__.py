"""What is measured, and when it is said: `rule`, its `measures` and `conditions`, its `grouping` by
`reference` data; from `files`, or as `sql` for Flink."""
