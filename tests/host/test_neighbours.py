"""What those may do who stand beside the stack: a web page, another user, another container."""

import http.client
import json

import pytest

SIGNED = {"Authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/sns/aws4_request"}
LIST = "/?Action=ListTopics&Version=2010-03-31"


def ask(
    address: str, headers: dict[str, str], method: str = "GET", path: str = LIST, body: str = ""
) -> http.client.HTTPResponse:
    """What the endpoint answers to these headers; as Host it gets its address, unless they say."""
    connection = http.client.HTTPConnection(address, 4566, timeout=10)
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
