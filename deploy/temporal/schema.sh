#!/bin/sh
# Brings the schema of Temporal's two databases to this server's version. Safe to run again: what is there is left alone.
# SQL_PLUGIN, SQL_HOST and SQL_PORT are temporal-sql-tool's own variables; each database's role bears its name.
set -eu

sql_tool() { # its debug log fills screens, so it is shown only where it failed
  temporal-sql-tool "$@" >/tmp/log 2>&1 || { cat /tmp/log; exit 1; }
}

migrate() { # migrate DATABASE PASSWORD SCHEMA
  export SQL_DATABASE="$1" SQL_USER="$1" SQL_PASSWORD="$2"
  sql_tool setup-schema --version 0.0
  sql_tool update-schema --schema-name "$SQL_SCHEMA/$3"
  echo "$1: schema is current"
}

migrate temporal "$TEMPORAL_DB_PASSWORD" temporal
migrate temporal_visibility "$TEMPORAL_VISIBILITY_DB_PASSWORD" visibility
