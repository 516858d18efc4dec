#!/usr/bin/python
"""Ansible module: a secret in Secrets Manager for each user of a database."""

from __future__ import annotations

DOCUMENTATION = r"""
module: database_secrets
short_description: Keep a secret for each user of a database
description:
  - Keeps one secret a user in AWS Secrets Manager, as the JSON that Amazon's rotation functions
    for MySQL expect (C(engine), C(host), C(port), C(dbname), C(username), C(password)), and C(ca)
    where the server's certificate is signed by an authority of its own.
  - A password is made at random when its secret is created, and kept from then on, whoever has
    rotated it. It never leaves this module, so it is in no argument, result, diff or log.
options:
  secrets:
    description: The name of the secret of each user, by the user's name.
    type: dict
    required: true
  administrator:
    description:
      - Name or ARN of the administrator's secret. C(host), C(port) and C(ca) are taken from it
        where it has them and I(place) does not. One made by RDS has none of them.
    type: str
  place:
    description: Where the database is, C(host), C(port) and C(ca), and its C(dbname).
    type: dict
    default: {}
attributes:
  diff_mode:
    support: full
    description: Shows no password.
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - aws_resource
  - aws_resource.tags
"""

EXAMPLES = r"""
- name: Keep a secret for the user of each function
  database_secrets:
    secrets:
      alarm_recorder: surgewatch/database/alarm_recorder
      alarm_reader: surgewatch/database/alarm_reader
    administrator: surgewatch/database/admin
    place:
      dbname: logs
"""

RETURN = r"""
arns:
  description: The ARN of each user's secret.
  returned: for those that exist
  type: dict
  sample:
    alarm_reader: arn:aws:secretsmanager:us-east-1:000000000000:secret:alarm_reader-AbCdEf
"""

import json  # noqa: E402
import secrets  # noqa: E402
import string  # noqa: E402
from typing import Any  # noqa: E402

from ansible.module_utils.aws_resource import Fields, Tags, keep_tags  # noqa: E402
from ansible_collections.amazon.aws.plugins.module_utils.modules import (  # noqa: E402
    AnsibleAWSModule,
)
from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry  # noqa: E402
from ansible_collections.amazon.aws.plugins.module_utils.tagging import (  # noqa: E402
    ansible_dict_to_boto3_tag_list,
    boto3_tag_list_to_ansible_dict,
)
from botocore.exceptions import BotoCoreError, ClientError  # noqa: E402

INHERITED = ("host", "port", "ca")
HIDDEN = "(not shown)"


def wanted_secret(username: str, current: Fields, administrator: Fields, place: Fields) -> Fields:
    """The secret as it should be; the password that there is stays."""
    inherited = {name: administrator[name] for name in INHERITED if name in administrator}
    return (
        {"engine": "mysql"}
        | inherited
        | place
        | {"username": username, "password": current.get("password") or new_password()}
    )


def new_password() -> str:
    """40 letters and digits: enough for 238 bits, and nothing that needs quoting."""
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(40))


def shown(secret: Fields) -> Fields:
    """A secret for a diff."""
    return {name: HIDDEN if name == "password" else value for name, value in secret.items()}


class Store:
    """Secrets Manager, as far as it is needed here."""

    def __init__(self, module: Any) -> None:
        self._module = module
        self._client = module.client("secretsmanager", retry_decorator=AWSRetry.jittered_backoff())

    def read(self, name: str) -> Fields:
        """The JSON of a secret; empty if there is none."""
        try:
            answer = self._client.get_secret_value(aws_retry=True, SecretId=name)
        except self._client.exceptions.ResourceNotFoundException:
            return {}
        return json.loads(answer["SecretString"])

    def describe(self, name: str) -> Fields | None:
        """What there is beside the value: ARN, tags, a date of deletion."""
        try:
            return self._client.describe_secret(aws_retry=True, SecretId=name)
        except self._client.exceptions.ResourceNotFoundException:
            return None

    def restore(self, name: str) -> None:
        self._client.restore_secret(aws_retry=True, SecretId=name)

    def write(self, name: str, secret: Fields, *, exists: bool) -> str:
        """Create the secret or give it another value; answer with its ARN."""
        text = json.dumps(secret)
        if exists:
            answer = self._client.put_secret_value(aws_retry=True, SecretId=name, SecretString=text)
        else:
            answer = self._client.create_secret(aws_retry=True, Name=name, SecretString=text)
        return answer["ARN"]

    def tag(self, name: str, found: Fields) -> tuple[Fields, Fields]:
        """Bring the tags of a secret up to date; answer with them before and after."""

        def add(tags: Tags) -> None:
            listed = ansible_dict_to_boto3_tag_list(tags)
            self._client.tag_resource(aws_retry=True, SecretId=name, Tags=listed)

        def remove(keys: list[str]) -> None:
            self._client.untag_resource(aws_retry=True, SecretId=name, TagKeys=keys)

        return keep_tags(
            self._module,
            lambda: boto3_tag_list_to_ansible_dict(found.get("Tags", [])),
            add=add,
            remove=remove,
            label=f"{name} tags",
        )


def keep_secrets(module: Any, store: Store) -> Fields:
    """Bring every secret up to date; answer with the module's result."""
    params = module.params
    administrator = store.read(params["administrator"]) if params["administrator"] else {}
    before: Fields = {}
    after: Fields = {}
    arns: dict[str, str] = {}
    for username, name in params["secrets"].items():
        found = store.describe(name)
        deleted = bool(found and found.get("DeletedDate"))
        if deleted and not module.check_mode:
            store.restore(name)
        current = store.read(name) if found and not (deleted and module.check_mode) else {}
        wanted = wanted_secret(username, current, administrator, params["place"])
        if "host" not in wanted and not module.check_mode:
            module.fail_json(
                msg="the host of the database is neither in the place nor in the secret"
                f" {params['administrator']}, which the database's own role or RDS makes"
            )
        if found:
            arns[username] = found["ARN"]
        if deleted or wanted != current:
            before[name], after[name] = {} if deleted else shown(current), shown(wanted)
            if not module.check_mode:
                arns[username] = store.write(name, wanted, exists=bool(found))
        tags_before, tags_after = store.tag(name, found or {})
        before |= tags_before
        after |= tags_after
    changed = before != after
    return {"changed": changed, "diff": {"before": before, "after": after}, "arns": arns}


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={
            "secrets": {"type": "dict", "required": True, "no_log": False},
            "administrator": {},
            "place": {"type": "dict", "default": {}},
            "tags": {"type": "dict"},
            "purge_tags": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    try:
        module.exit_json(**keep_secrets(module, Store(module)))
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg="the secrets could not be kept")


if __name__ == "__main__":
    main()
