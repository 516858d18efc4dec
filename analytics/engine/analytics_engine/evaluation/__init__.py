"""One stream in event time: `intake` counts each line once, `window` and `incident` are of a group,
`tracker` of a rule, `corrections` of its past, `evaluator` joins both, `engine` has all rules."""
