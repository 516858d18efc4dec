"""The commands behind ./surgewatch: cli picks one of commands/, each works on a stack."""
