#!/usr/bin/python
"""Ansible module: say how a host's units and services are."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_health
short_description: Say how a host's units and services are
description:
  - Lists the units of this project, asks its services, and names what is wrong, in one call.
options:
  services:
    description: The services that it must have.
    type: list
    elements: dict
    required: true
    suboptions:
      unit:
        description: The unit, with its suffix.
        type: str
        required: true
      command:
        description: The command whose C(status --json) names C(faults), in C(/opt/surgewatch).
        type: str
        required: true
attributes:
  check_mode:
    support: full
author:
  - The Surgewatch authors
"""

EXAMPLES = r"""
- name: Ask the host
  host_health:
    services:
      - unit: surgewatch-kinesis-agent.service
        command: kinesis_agent/current/bin/kinesis-agent
  register: health
"""

RETURN = r"""
units:
  description: The units as systemd lists them, but for services at rest that timers start.
  returned: success
  type: list
  elements: dict
wanted:
  description: The units that it must have.
  returned: success
  type: list
  elements: str
answers:
  description: What each service said, by its unit.
  returned: success
  type: dict
faults:
  description: What is wrong, a sentence each.
  returned: success
  type: list
  elements: str
"""

import subprocess  # noqa: E402

from ansible.module_utils import host_health  # noqa: E402
from ansible.module_utils.basic import AnsibleModule  # noqa: E402


def main() -> None:
    service = {
        "unit": {"type": "str", "required": True},
        "command": {"type": "str", "required": True},
    }
    module = AnsibleModule(
        argument_spec={
            "services": {"type": "list", "elements": "dict", "required": True, "options": service},
        },
        supports_check_mode=True,
    )
    try:
        module.exit_json(changed=False, **host_health.ask(module.params["services"]))
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        module.fail_json(msg=f"systemd does not say which units there are: {error}")


if __name__ == "__main__":
    main()
