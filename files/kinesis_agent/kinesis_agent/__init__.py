"""Ships log lines to Kinesis, in the order that a line passes.

config, config_file; files, checkpoint, arrivals, contents, reader, tail; frame, convert; batch,
wire, send; flow, agent, service; status, metrics, cli.
"""
