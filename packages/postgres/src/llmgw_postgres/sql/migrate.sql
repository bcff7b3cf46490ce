-- name: exists
SELECT to_regclass('llmgw.migrations') IS NOT NULL

-- name: applied
SELECT number, name, checksum, needs FROM llmgw.migrations ORDER BY number

-- name: lock
-- One process at a time; held by the session, so that each migration can be a transaction of its own.
SELECT pg_advisory_lock(hashtextextended('llmgw/migrate', 0))

-- name: prepare
CREATE SCHEMA IF NOT EXISTS llmgw;
CREATE TABLE IF NOT EXISTS llmgw.migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    checksum text NOT NULL,
    needs integer,
    applied_at timestamptz NOT NULL DEFAULT now()
)

-- name: remember
INSERT INTO llmgw.migrations (number, name, checksum, needs)
VALUES (%(number)s, %(name)s, %(checksum)s, %(needs)s)
