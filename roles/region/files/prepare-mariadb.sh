#!/bin/sh
# Make what the state directory lacks: an authority and a certificate for the names in
# DATABASE_NAMES, the administrator's password, the system tables.
set -eu
umask 077
cd "$STATE_DIRECTORY"

key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:prime256v1 -out "$1"; }

if [ ! -e authority.pem ]; then
  key authority.key
  openssl req -x509 -new -key authority.key -subj "/CN=Surgewatch local region" -days 3650 \
    -addext keyUsage=critical,keyCertSign,cRLSign -out authority.new
  mv authority.new authority.pem
fi

if [ "$(cat names 2>/dev/null)" != "$DATABASE_NAMES" ]; then
  key server.key
  openssl req -new -key server.key -subj "/CN=$(hostname)" -out server.csr
  printf '%s\n' "subjectAltName=$DATABASE_NAMES" basicConstraints=critical,CA:FALSE \
    extendedKeyUsage=serverAuth authorityKeyIdentifier=keyid subjectKeyIdentifier=hash >server.ext
  openssl x509 -req -in server.csr -CA authority.pem -CAkey authority.key -days 3650 \
    -set_serial "0x$(openssl rand -hex 16)" -extfile server.ext -out server.pem
  echo "$DATABASE_NAMES" >names
fi

if [ ! -e password ]; then
  openssl rand -hex 24 >password.new
  mv password.new password
fi

# The one folder where statements may read and write files; nobody has the privilege to.
mkdir -p files

# MariaDB runs this at each start. The administrator owns the database logs, makes users, and reads
# what they may do; no more than an RDS master user may. As who makes users may rename them, too, there
# is no other account to become: MariaDB runs this file without one.
cat >administrator.sql <<END
CREATE DATABASE IF NOT EXISTS logs;
CREATE OR REPLACE USER '$DATABASE_USERNAME'@'%' IDENTIFIED BY '$(cat password)' REQUIRE SSL;
GRANT CREATE USER, PROCESS, RELOAD, SHOW DATABASES ON *.* TO '$DATABASE_USERNAME'@'%' WITH GRANT OPTION;
GRANT ALL PRIVILEGES ON logs.* TO '$DATABASE_USERNAME'@'%' WITH GRANT OPTION;
GRANT SELECT ON mysql.* TO '$DATABASE_USERNAME'@'%';
DROP USER IF EXISTS root@localhost, mysql@localhost, '$(id -un)'@localhost;
END

if [ ! -d data ]; then
  rm -rf data.new
  mariadb-install-db --no-defaults --datadir="$PWD/data.new" --skip-test-db \
    --auth-root-authentication-method=socket
  mv data.new data
fi
