"""What a line is: `kind` describes it, `batch` holds many; `ticks` and `clock` say when one counts,
`history` keeps the newest, `cells` what is counted for longer."""
