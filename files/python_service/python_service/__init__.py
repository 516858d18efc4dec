"""What each service does alike: `notify` tells systemd how it is, `log` writes lines for the
journal, `file` replaces what others read, `status` judges whether a service still runs, and
`compression` reads files that are packed."""
