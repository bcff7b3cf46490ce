-- name: now
SELECT extract(year FROM now() AT TIME ZONE 'UTC')::integer, extract(month FROM now() AT TIME ZONE 'UTC')::integer

-- name: list
-- The months of the log, oldest first; their names sort as their times do.
SELECT c.relname
FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
WHERE i.inhparent = 'llmgw.fact_events'::regclass AND c.relname <> 'fact_events_other'
ORDER BY c.relname

-- name: make
-- What came for the month before it was made moves in. Under the append's lock: nothing else comes meanwhile. Looking
-- again under the lock is for two nodes that do this at once.
DO $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('llmgw/append', 0));
    IF to_regclass('llmgw.{partition}') IS NULL THEN
        CREATE TABLE llmgw.{partition} (LIKE llmgw.fact_events INCLUDING DEFAULTS INCLUDING INDEXES);
        WITH moved AS (
            DELETE FROM llmgw.fact_events_other WHERE id >= '{low}' AND id < '{high}' RETURNING *
        )
        INSERT INTO llmgw.{partition} SELECT * FROM moved;
        ALTER TABLE llmgw.fact_events ATTACH PARTITION llmgw.{partition} FOR VALUES FROM ('{low}') TO ('{high}');
    END IF;
END
$$
