"""database_secrets: generated once, kept, and never shown."""

import json
import uuid

import pytest

from plugins.modules import database_secrets as module

ADMINISTRATOR = {
    "host": "192.0.2.10",
    "port": 3306,
    "ca": "PEM",
    "password": "of-the-administrator",
    "username": "a",
}


@pytest.fixture
def store(region):
    return region.client("secretsmanager")


@pytest.fixture
def keep(run, store):
    """Run the module with an administrator's secret and two users of the test's own."""
    prefix = uuid.uuid4().hex[:8]
    names = {name: f"{prefix}/{name}" for name in ("writer", "reader")}
    store.create_secret(Name=f"{prefix}/admin", SecretString=json.dumps(ADMINISTRATOR))

    def keep_secrets(**arguments):
        given = {"secrets": names, "administrator": f"{prefix}/admin", "place": {"dbname": "logs"}}
        return run(module, **given | arguments)

    def read(name):
        return json.loads(store.get_secret_value(SecretId=names[name])["SecretString"])

    keep_secrets.read, keep_secrets.names, keep_secrets.admin = read, names, f"{prefix}/admin"
    return keep_secrets


def test_a_secret_is_made_for_each_user(keep):
    assert keep()["changed"]
    writer, reader = keep.read("writer"), keep.read("reader")
    assert writer.pop("password") != reader.pop("password")
    assert writer == {
        "engine": "mysql",
        "host": "192.0.2.10",
        "port": 3306,
        "ca": "PEM",
        "dbname": "logs",
        "username": "writer",
    }


def test_a_password_is_long_and_needs_no_quotes(keep):
    keep()
    password = keep.read("writer")["password"]
    assert len(password) == 40
    assert password.isalnum()


def test_a_second_run_changes_nothing(keep):
    first = keep()
    before = keep.read("writer")
    second = keep()
    assert not second["changed"]
    assert second["arns"] == first["arns"]
    assert keep.read("writer") == before


def test_another_place_changes_all_but_the_password(keep, store):
    keep()
    before = keep.read("writer")
    store.put_secret_value(
        SecretId=keep.admin, SecretString=json.dumps(ADMINISTRATOR | {"host": "192.0.2.11"})
    )
    assert keep()["changed"]
    assert keep.read("writer") == before | {"host": "192.0.2.11"}
    assert keep(place={"dbname": "logs", "host": "db.example"})["changed"]
    assert keep.read("writer")["host"] == "db.example"


def test_a_rotated_password_stays(keep, store):
    keep()
    rotated = keep.read("writer") | {"password": "rotated"}
    store.put_secret_value(SecretId=keep.names["writer"], SecretString=json.dumps(rotated))
    assert not keep()["changed"]
    assert keep.read("writer")["password"] == "rotated"


def test_no_password_is_shown(keep):
    shown = json.dumps([keep(check=True), keep(), keep(place={"dbname": "other"})])
    for name in keep.names:
        assert keep.read(name)["password"] not in shown
    assert ADMINISTRATOR["password"] not in shown


def test_a_check_changes_nothing(keep, store):
    assert keep(check=True)["changed"]
    with pytest.raises(store.exceptions.ResourceNotFoundException):
        keep.read("writer")
    keep()
    assert not keep(check=True)["changed"]


def test_a_deleted_secret_is_restored_with_its_password(keep, store):
    keep()
    before = keep.read("writer")
    store.delete_secret(SecretId=keep.names["writer"])
    assert keep()["changed"]
    assert keep.read("writer") == before
    assert not keep()["changed"]


def test_tags_are_kept(keep):
    assert keep(tags={"Stack": "local"})["changed"]
    assert not keep(tags={"Stack": "local"})["changed"]
    assert keep(tags={"Stack": "aws"})["changed"]
    assert not keep()["changed"]


def test_an_unknown_place_is_told(keep):
    failed = keep(administrator="no/such/secret")
    assert failed["failed"]
    assert "no/such/secret" in failed["msg"]
    assert keep(administrator="no/such/secret", check=True)["changed"]
