"""Ships log lines to Kinesis, in the order that a line passes.

config, files, checkpoint, tail, frame, convert, batch, wire, send, agent, status, cli.
"""
