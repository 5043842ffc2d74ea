-- Runs once, on an empty volume: a database and a role for each owner. A role can connect to its own database only.
\getenv accounts_password ACCOUNTS_DB_PASSWORD
\getenv ledger_password LEDGER_DB_PASSWORD
\getenv temporal_password TEMPORAL_DB_PASSWORD
\getenv temporal_visibility_password TEMPORAL_VISIBILITY_DB_PASSWORD

CREATE ROLE accounts LOGIN PASSWORD :'accounts_password';
CREATE ROLE ledger LOGIN PASSWORD :'ledger_password';
CREATE ROLE temporal LOGIN PASSWORD :'temporal_password';
CREATE ROLE temporal_visibility LOGIN PASSWORD :'temporal_visibility_password';

CREATE DATABASE accounts OWNER accounts;
CREATE DATABASE ledger OWNER ledger;
CREATE DATABASE temporal OWNER temporal;
CREATE DATABASE temporal_visibility OWNER temporal_visibility;

-- By default PUBLIC, that is every role, may connect to any database.
REVOKE ALL ON DATABASE accounts, ledger, temporal, temporal_visibility, postgres, template1 FROM PUBLIC;
