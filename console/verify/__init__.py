"""Follows test orders through the stack, for playbooks/verify.yml: run, stages, follow."""
