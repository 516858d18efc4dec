"""What the documentation of all modules for AWS says."""


class ModuleDocFragment:
    """Ansible asks this for the fragments."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
author:
  - The Surgewatch authors
"""

    TAGS = r"""
options:
  tags:
    description: Tags that it gets when it is made, and keeps. Not given, they are left alone.
    type: dict
  purge_tags:
    description: Whether other tags are removed.
    type: bool
    default: true
"""
