"""What those may do who stand beside the stack: a web page, another user, another container."""

import http.client
import json
import os
import subprocess

import pytest

from tests.host.conftest import ROOT

PODMAN = ROOT / "inventory" / "root_podman"
SIGNED = {"Authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/sns/aws4_request"}
LIST = "/?Action=ListTopics&Version=2010-03-31"


def ask(
    address: str, headers: dict[str, str], method: str = "GET", path: str = LIST, body: str = ""
) -> http.client.HTTPResponse:
    """What the endpoint answers to these headers; as Host it gets its address, unless they say."""
    # After a restart it takes the machine some seconds to learn who has the address now.
    connection = http.client.HTTPConnection(address, 4566, timeout=60)
    try:
        connection.request(method, path, body or None, headers)
        answer = connection.getresponse()
        answer.read()
    finally:
        connection.close()
    return answer


@pytest.mark.parametrize(
    ("name", "method", "path", "body"),
    [
        ("a secret", "POST", "/", '{"SecretId": "surgewatch/database/admin"}'),
        ("a function", "POST", "/2015-03-31/functions", "{}"),
        ("a preflight", "OPTIONS", "/", ""),
        ("a question", "GET", LIST, ""),
    ],
)
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://10.89.77.10:4566"])
def test_the_endpoint_answers_no_page(address, name, method, path, body, origin):
    headers = SIGNED | {
        "Origin": origin,
        "Content-Type": "text/plain",
        "X-Amz-Target": "secretsmanager.GetSecretValue",
    }
    assert ask(address, headers, method, path, body).status == 403


def test_the_endpoint_does_nothing_for_a_pages_image(address):
    """Such a request has no Origin; but without a preflight it cannot have the header either."""
    forged = "&X-Amz-Signature=a&X-Amz-Credential=a/20260101/us-east-1/sns/aws4_request"
    assert ask(address, {"User-Agent": "Mozilla/5.0"}, path=LIST + forged).status == 403


@pytest.mark.parametrize("host", ["evil.example:4566", "10.0.0.1", "evilregion", "region.evil", ""])
def test_the_endpoint_answers_under_no_name_of_others(address, host):
    assert ask(address, SIGNED | {"Host": host}).status in (400, 421)


def test_the_endpoint_answers_under_its_own_names_and_lets_no_page_read(address, region_host):
    name = region_host.check_output("hostname")
    for host in (address, f"{address}:4566", f"{name}:4566", f"bucket.{name}", "b.localhost:1"):
        answer = ask(address, SIGNED | {"Host": host})
        assert answer.status == 200, host
        assert not [one for one in answer.headers if one.lower().startswith("access-control-")]


def test_the_urls_that_the_parts_give_out_work(address, client):
    name = "neighbours"
    sqs, s3 = client("sqs"), client("s3")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    s3.create_bucket(Bucket=name)
    try:
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"sent": True}))
        assert sqs.receive_message(QueueUrl=url)["Messages"]
        s3.put_object(Bucket=name, Key="key", Body=b"kept")
        bucket = {"Host": f"{name}.localhost:4566"} | SIGNED
        assert ask(address, bucket, path="/key").status == 200
    finally:
        sqs.delete_queue(QueueUrl=url)
        s3.delete_object(Bucket=name, Key="key")
        s3.delete_bucket(Bucket=name)


REACH = """
import socket, sys
for port in (4566, 3306):
    try:
        socket.create_connection((sys.argv[1], port), 2).close()
        print(port)
    except OSError:
        pass
"""


def podman(*words: str) -> str:
    done = subprocess.run([PODMAN, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_none_from_another_network_reaches_the_stack(address, region_host):
    """Such as the LAN of a machine that forwards, which it does where it has containers."""
    name = region_host.check_output("hostname")
    found = json.loads(podman("container", "inspect", name))[0]
    runtime = f"--runtime={found['OCIRuntime']}"
    run = ["run", "--rm", runtime, "--ulimit=nofile=20000:20000", "--ulimit=nproc=20000:20000"]
    reach = [found["Image"], "python3", "-c", REACH, address]
    within = next(iter(found["NetworkSettings"]["Networks"]))
    assert podman(*run, f"--network={within}", *reach).split() == ["4566", "3306"]
    assert podman(*run, "--network=podman", *reach) == ""


def test_another_user_of_the_machine_reads_nothing_that_the_hosts_keep(region_host, generator):
    for host in (region_host, generator):
        name = host.check_output("hostname")
        for volume in (f"{name}-state", f"{name}-log"):
            (found,) = json.loads(podman("volume", "inspect", volume))
            look = ["find", found["Mountpoint"], "-readable"]
            other = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
            sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
            done = subprocess.run([*sudo, *other, *look], capture_output=True, text=True)
            assert done.stdout == "", volume
            assert "denied" in done.stderr


LOG_GENERATOR = "/opt/surgewatch/log_generator/current/bin/log-generator"
TRAPS = """
set -e
mkdir -m 700 /root/probe && mkdir /var/lib/surgewatch/probe && cd /var/lib/surgewatch/probe
echo '{"slices": "4-7"}' >/root/probe/state.json
sed 's,/var/lib/surgewatch/log-generator,/var/lib/surgewatch/probe,' \
    /etc/surgewatch/log_generator.json >/root/probe.json
ln -s /root/probe/state.json link
mkfifo pipe
ln -s /root/probe inject
chown -R surgewatch-log-generator .
chown -h surgewatch-log-generator . *
"""


def test_root_is_led_nowhere_by_what_a_service_leaves_in_its_folder(generator):
    state = "/var/lib/surgewatch/probe/state.json"
    try:
        generator.check_output(TRAPS)
        for trap in ("link", "pipe"):
            generator.check_output(f"mv /var/lib/surgewatch/probe/{trap} {state}")
            for command in ("slices", "status --json"):
                said = generator.run(
                    f"timeout 20 {LOG_GENERATOR} {command} --config /root/probe.json"
                )
                assert said.rc == 1, command
                assert "4-7" not in said.stdout
        row = "V1,A,b,1,1/1/2011 8:00,2.55,,France"
        inject = f"timeout 20 {LOG_GENERATOR} inject --config /root/probe.json -"
        assert generator.run(f"echo '{row}' | {inject}").rc == 1
        assert generator.check_output("ls /root/probe") == "state.json"
    finally:
        generator.check_output("rm -rf /root/probe /root/probe.json /var/lib/surgewatch/probe")
