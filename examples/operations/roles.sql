-- Two roles for PostgreSQL: one owns the tables and migrates, one serves and owns nothing.
-- Run by an administrator, in the database that is gql-auth's own:
--   psql -v owner_password=… -v server_password=… -f roles.sql gql_auth

CREATE ROLE gql_auth_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE gql_auth_server LOGIN PASSWORD :'server_password';

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO gql_auth_owner;
GRANT USAGE ON SCHEMA public TO gql_auth_server;

-- Whatever the owner makes, now and in later migrations, the server may read and write.
ALTER DEFAULT PRIVILEGES FOR ROLE gql_auth_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO gql_auth_server;

-- A client that is gone half-way holds its locks no longer than this.
ALTER ROLE gql_auth_server SET idle_in_transaction_session_timeout = '30s';
ALTER ROLE gql_auth_server SET statement_timeout = '30s';
