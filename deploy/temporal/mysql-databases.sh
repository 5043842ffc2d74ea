#!/bin/sh
# A database and a user for each of Temporal's two stores on MySQL. Safe to run again. The root password is in MYSQL_PWD.
set -eu

mysql --host=mysql --user=root <<SQL
CREATE DATABASE IF NOT EXISTS temporal;
CREATE DATABASE IF NOT EXISTS temporal_visibility;
CREATE USER IF NOT EXISTS 'temporal'@'%' IDENTIFIED BY '$TEMPORAL_DB_PASSWORD';
CREATE USER IF NOT EXISTS 'temporal_visibility'@'%' IDENTIFIED BY '$TEMPORAL_VISIBILITY_DB_PASSWORD';
GRANT ALL ON temporal.* TO 'temporal'@'%';
GRANT ALL ON temporal_visibility.* TO 'temporal_visibility'@'%';
SQL
echo 'temporal, temporal_visibility: databases and users are there'
