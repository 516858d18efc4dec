"""Feeds Kinesis streams to functions: mapping, shards, reader, event, response, batch, failure."""
