"""The launcher trusts whom the system trusts, with all that it starts."""

import hashlib
import http.server
import os
import shlex
import ssl
import subprocess
import threading
import zipfile
from pathlib import Path

import pytest

from console.stack import ROOT

SYSTEM = Path("/etc/ssl/certs/ca-certificates.crt")
WHEEL = "probe-1-py3-none-any.whl"
DISTRUST = ("SSL_CERT", "PIP_", "UV_", "NODE_", "CA_BUNDLE", "_PROXY", "_proxy")


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """An index with one package, behind https by an authority that nobody knows."""
    folder = tmp_path_factory.mktemp("index")
    key = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    for command in (
        f"{key} -subj /CN=authority -keyout authority.key -out authority.pem",
        f"{key} -subj /CN=localhost -addext subjectAltName=DNS:localhost -CA authority.pem "
        "-addext basicConstraints=critical,CA:FALSE -CAkey authority.key -keyout key.pem "
        "-out certificate.pem",
    ):
        subprocess.run(shlex.split(command), cwd=folder, check=True, capture_output=True)
    package = folder / "simple/probe"
    package.mkdir(parents=True)
    with zipfile.ZipFile(package / WHEEL, "w") as wheel:
        info = "probe-1.dist-info"
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: probe\nVersion: 1\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    digest = hashlib.sha256((package / WHEEL).read_bytes()).hexdigest()
    (package / "index.html").write_text(f'<a href="{WHEEL}#sha256={digest}">{WHEEL}</a>')

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments) -> None:
            super().__init__(*arguments, directory=str(folder))

        def log_message(self, *_) -> None:
            pass

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, *_) -> None:
            """Whoever does not trust it hangs up."""

    server = Server(("127.0.0.1", 0), Handler)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder / "authority.pem", f"https://localhost:{server.server_address[1]}/simple"
    server.shutdown()
    server.server_close()


OPTIONS = "--no-deps --index-url {url} probe"
COMMANDS = {
    "uv": f"uv pip install --no-cache --target {{target}} {OPTIONS}",
    "pip": f"python -m pip --retries 0 download --no-cache-dir --dest {{target}} {OPTIONS}",
    "python": "python -c \"import urllib.request as u; u.urlopen('{url}/probe/')\"",
}


def launch(command: str, *before: str, **given: str) -> subprocess.CompletedProcess:
    """Run a command in the project's environment, by a shell that says nothing of authorities."""
    inherited = {
        key: value for key, value in os.environ.items() if not any(part in key for part in DISTRUST)
    }
    own = {"PIP_CONFIG_FILE": os.devnull} | given
    return subprocess.run(
        [*before, ROOT / "surgewatch", "shell", "sh", "-c", command],
        env=inherited | own,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("tool", COMMANDS)
@pytest.mark.parametrize("whose", ["the system's", "a bundle's", "no"])
def test_an_authority_counts_for_every_tool(index, tmp_path, tool: str, whose: str) -> None:
    authority, url = index
    command = COMMANDS[tool].format(target=tmp_path / "target", url=url)
    before, given = [], {}
    if whose == "the system's":
        if not SYSTEM.exists():
            pytest.skip(f"there is no {SYSTEM}")
        bundle = tmp_path / "bundle.pem"
        bundle.write_bytes(SYSTEM.read_bytes() + authority.read_bytes())
        before = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
        before += [f'mount --bind {bundle} {SYSTEM} && exec "$@"', "sh"]
        if subprocess.run([*before, "true"], capture_output=True).returncode:
            pytest.skip("no mount namespace may be made here")
    elif whose == "a bundle's":
        given = {"SSL_CERT_FILE": str(authority)}
    done = launch(command, *before, **given)
    if whose == "no":
        assert done.returncode != 0
        assert "certificate" in (done.stdout + done.stderr).lower().replace("unknownissuer", "cert")
    else:
        assert done.returncode == 0, done.stderr


def test_node_and_requests_are_told_as_well() -> None:
    shown = launch('echo "$NODE_EXTRA_CA_CERTS $REQUESTS_CA_BUNDLE"', SSL_CERT_FILE=str(SYSTEM))
    assert shown.stdout == f"{SYSTEM} {SYSTEM}\n"
    own = launch('echo "$NODE_EXTRA_CA_CERTS"', NODE_EXTRA_CA_CERTS="/own", SSL_CERT_FILE="/other")
    assert own.stdout == "/own\n"
