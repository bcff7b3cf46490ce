-- name: begin
-- The staging table is where a batch lands before it takes the lock: the lock is then held for no more than the insert.
-- It is made within the transaction: a commit of its own would wait for the synchronous standby. The clock is the
-- server's: one clock for all nodes.
BEGIN;
CREATE TEMPORARY TABLE IF NOT EXISTS staged (
    n integer, id uuid, hlc bigint, node text, v integer, kind text, tenant text, actor text, cause text,
    subject text, body json
) ON COMMIT DELETE ROWS;
SELECT extract(epoch FROM clock_timestamp())::float8

-- name: stage
COPY staged (n, id, hlc, node, v, kind, tenant, actor, cause, subject, body) FROM STDIN

-- name: claim
-- Begins a new timeline where the log has come to another place. Its number grows, and a random half tells apart two
-- standbys that took over from the same point without knowing of each other. Needs the append's lock.
INSERT INTO llmgw.timelines (timeline, place, state_position, fact_position)
SELECT next.timeline, next.place, next.state_position, next.fact_position
FROM llmgw.next_timeline() AS next
LEFT JOIN (SELECT place FROM llmgw.timelines ORDER BY timeline DESC LIMIT 1) AS latest ON true
WHERE latest.place IS DISTINCT FROM next.place

-- name: put_back
-- Begins a new timeline where a reader has come further than the log reaches: an older copy of the server's files was put
-- back in their place. Needs the append's lock.
INSERT INTO llmgw.timelines (timeline, place, state_position, fact_position)
SELECT next.timeline, next.place, next.state_position, next.fact_position
FROM llmgw.next_timeline() AS next
WHERE next.{log}_position < %(position)s AND %(timeline)s = (SELECT max(timeline) FROM llmgw.timelines)

-- name: lock
-- One for both logs, since a timeline begins for both. It ends with the transaction, after its commit has become visible:
-- so positions become visible in their order.
SELECT pg_advisory_xact_lock(hashtextextended('llmgw/append', 0))

-- name: append
-- One message to the server, so that the lock is never held over a round trip. A commit that has logged nothing waits for
-- no standby: the empty message to the write-ahead log sees to it that a batch that is there already does, since its first
-- attempt may have been committed here and not there.
{lock};
{claim};
SELECT pg_logical_emit_message(true, 'llmgw', '');
WITH fresh AS (
    INSERT INTO llmgw.{log}_events
        (position, id, hlc, node, v, kind, tenant, actor, cause, subject, body)
    SELECT nextval('llmgw.{log}_position'), id, hlc, node, v, kind, tenant, actor, cause, subject, body
    FROM (SELECT * FROM staged ORDER BY n) AS batch
    ON CONFLICT (id) DO NOTHING
    RETURNING position
), news AS (
    SELECT count(*) AS fresh, max(position) AS last FROM fresh
)
SELECT fresh, last, (SELECT max(timeline) FROM llmgw.timelines),
       CASE WHEN fresh > 0 THEN pg_notify('llmgw_{log}', last::text) END
FROM news;
COMMIT;
SELECT pg_current_wal_insert_lsn()::text

-- name: last_of
-- Where the last event of a batch is that was there already, in part or whole.
SELECT coalesce(max(position), 0) FROM llmgw.{log}_events WHERE id = ANY(%(ids)s::uuid[])

-- name: read
-- The timeline and a page in one look. No timeline: the log has come here, and no one has said so yet.
SELECT now.timeline, e.position, e.id::text, e.hlc, e.node, e.v, e.kind, e.tenant, e.actor, e.cause, e.subject,
       e.body::text
FROM (SELECT (SELECT timeline FROM (SELECT timeline, place FROM llmgw.timelines ORDER BY timeline DESC LIMIT 1) AS latest
              WHERE latest.place = llmgw.place())) AS now (timeline)
LEFT JOIN LATERAL (
    SELECT * FROM llmgw.{log}_events WHERE position > %(after)s ORDER BY position LIMIT %(limit)s
) AS e ON now.timeline IS NOT NULL
ORDER BY e.position

-- name: ends
-- Where both logs end, for those who wait.
SELECT (SELECT timeline FROM (SELECT timeline, place FROM llmgw.timelines ORDER BY timeline DESC LIMIT 1) AS latest
        WHERE latest.place = llmgw.place()),
       coalesce((SELECT max(position) FROM llmgw.state_events), 0) AS state_end,
       coalesce((SELECT max(position) FROM llmgw.fact_events), 0) AS fact_end

-- name: common
-- How far a cursor of an older timeline holds: where the first timeline after its own began. A timeline that is not
-- known here may have parted from this one anywhere.
SELECT latest.timeline,
       CASE WHEN EXISTS (SELECT FROM llmgw.timelines WHERE timeline = %(timeline)s)
            THEN least(%(position)s::bigint, (SELECT min({log}_position) FROM llmgw.timelines WHERE timeline > %(timeline)s))
            ELSE 0 END
FROM (SELECT max(timeline) AS timeline FROM llmgw.timelines) AS latest

-- name: save_snapshot
INSERT INTO llmgw.snapshots (name, timeline, position, body)
VALUES (%(name)s, %(timeline)s, %(position)s, %(body)s)
ON CONFLICT (name) DO UPDATE
SET timeline = excluded.timeline, position = excluded.position, body = excluded.body, saved_at = now()

-- name: load_snapshot
SELECT timeline, position, body FROM llmgw.snapshots WHERE name = %(name)s
