"""One module a command: its docstring is its help, `arguments` adds options, `run` does it.

`run` returns the exit code. `USES_STACK` gives the command the option for the inventory.

A module that has `forward` instead hands the rest of the command line to another program.
"""
