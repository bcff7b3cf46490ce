-- name: fold
-- A batch at once, as llmgw_relay.pin_facts folds it one by one, by the rule of llmgw_affinity's `merged`: of all that is
-- said of a session, the earliest home of the latest epoch and the latest current, each with its latest evidence, and how
-- it came there at last. A fact whose pin has expired before it is folded says nothing.
WITH batch AS MATERIALIZED (
    SELECT id AS event, position, kind, v, tenant, actor, llmgw.object_of(body) AS b
    FROM llmgw.fact_events
    WHERE position > %(after)s AND position <= %(upto)s
      AND kind IN ('session.bound', 'session.moved', 'session.forgotten', 'request.settled')
), concerned AS MATERIALIZED (
    SELECT event, position, kind, v, tenant,
           CASE kind WHEN 'request.settled' THEN b -> 'session' -> 'pin' ELSE b -> 'pin' END AS pin,
           llmgw.arrival_of(kind, b, actor) AS arrival
    FROM batch
    WHERE v <> 1 OR kind <> 'request.settled'
       OR CASE jsonb_typeof(b -> 'session') WHEN 'object' THEN coalesce(b -> 'session' -> 'pin', 'null') <> 'null'
                                            ELSE coalesce(b -> 'session', 'null') <> 'null' END
), told AS MATERIALIZED (
    SELECT event, position, kind, tenant, pin ->> 'key' AS key, pin -> 'epoch' AS epoch,
           llmgw.stay_of(pin -> 'home') AS home, llmgw.stay_of(pin -> 'current') AS current, arrival,
           coalesce(v = 1 AND jsonb_typeof(pin -> 'key') = 'string' AND pin ->> 'key' ~ '^[0-9a-f]{32}$'
                    AND llmgw.is_reading(pin -> 'epoch') AND arrival IS NOT NULL
                    AND llmgw.stay_of(pin -> 'home') IS NOT NULL AND llmgw.stay_of(pin -> 'current') IS NOT NULL,
                    false) AS readable
    FROM concerned
), noted AS (
    INSERT INTO llmgw.unreadable (event, kind, position)
    SELECT event, kind, position FROM told WHERE NOT readable
    ON CONFLICT DO NOTHING
), new AS MATERIALIZED (
    SELECT key COLLATE "C" AS key, tenant COLLATE "C" AS tenant, epoch::bigint AS epoch, home, current, arrival,
           llmgw.pin_expires(home, current) AS expires
    FROM told
    WHERE readable AND llmgw.pin_expires(home, current) > extract(epoch FROM now())::double precision
), said AS MATERIALIZED (
    SELECT key, tenant, epoch, home, current, arrival, expires FROM new
    UNION ALL
    SELECT key, tenant, epoch, home, current, arrival, expires FROM {pins} WHERE key IN (SELECT key FROM new)
), homes AS (
    SELECT DISTINCT ON (key) key, epoch, home
    FROM said
    ORDER BY key, epoch DESC,
             (home ->> 'since')::bigint, home ->> 'node' COLLATE "C", home ->> 'account' COLLATE "C",
             (home ->> 'told')::bigint DESC, (home ->> 'warm_until')::double precision DESC,
             (home ->> 'cached')::bigint DESC
), currents AS (
    SELECT DISTINCT ON (key) key, current
    FROM said
    ORDER BY key,
             (current ->> 'since')::bigint DESC, current ->> 'node' COLLATE "C" DESC,
             current ->> 'account' COLLATE "C" DESC,
             (current ->> 'told')::bigint DESC, (current ->> 'warm_until')::double precision DESC,
             (current ->> 'cached')::bigint DESC
), arrivals AS (
    SELECT DISTINCT ON (key) key, arrival
    FROM said
    ORDER BY key,
             (arrival ->> 'since')::bigint DESC, arrival ->> 'node' COLLATE "C" DESC,
             arrival ->> 'actor' COLLATE "C" DESC, arrival ->> 'model' COLLATE "C" DESC,
             arrival ->> 'reason' COLLATE "C" DESC
), rest AS (
    SELECT key, min(tenant) AS tenant, max(expires) AS expires FROM said GROUP BY key
)
INSERT INTO {pins} AS p (key, tenant, epoch, home, current, arrival, expires)
SELECT key, tenant, epoch, home, current, arrival, expires
FROM homes JOIN currents USING (key) JOIN arrivals USING (key) JOIN rest USING (key)
ON CONFLICT (key) DO UPDATE
SET tenant = excluded.tenant, epoch = excluded.epoch, home = excluded.home, current = excluded.current,
    arrival = excluded.arrival, expires = excluded.expires
WHERE (p.tenant, p.epoch, p.home, p.current, p.arrival, p.expires) IS DISTINCT FROM
      (excluded.tenant, excluded.epoch, excluded.home, excluded.current, excluded.arrival, excluded.expires)

-- name: by_keys
SELECT jsonb_build_object('key', key, 'epoch', epoch, 'home', home, 'current', current)::text
FROM llmgw.pins WHERE key = ANY(%(keys)s::text[]) AND expires > extract(epoch FROM now())::double precision

-- name: page
-- A page goes on behind the key that the one before ended at. What is forgotten is not among it.
SELECT tenant, jsonb_build_object('key', key, 'epoch', epoch, 'home', home, 'current', current)::text, arrival::text,
       expires
FROM llmgw.pins
WHERE (%(after)s::text IS NULL OR key > %(after)s)
  AND (%(key)s::text IS NULL OR key = %(key)s)
  AND (%(tenant)s::text IS NULL OR left(tenant, 200) = left(%(tenant)s, 200) AND tenant = %(tenant)s)
  AND (%(account)s::text IS NULL OR left(account, 200) = left(%(account)s, 200) AND account = %(account)s)
  AND (%(actor)s::text IS NULL OR left(actor, 200) = left(%(actor)s, 200) AND actor = %(actor)s)
  AND account <> ''
  AND expires > extract(epoch FROM now())::double precision
ORDER BY key
LIMIT %(limit)s

-- name: forgotten
-- What was forgotten behind a position, up to the last one that there is. Positions are in the order of commits.
WITH head AS MATERIALIZED (SELECT coalesce(max(position), 0) AS upto FROM llmgw.fact_events)
SELECT upto, coalesce((
    SELECT jsonb_agg(llmgw.object_of(body) -> 'pin' ORDER BY position)
    FROM llmgw.fact_events
    WHERE position > %(after)s AND position <= upto AND kind = 'session.forgotten'
), '[]')::text
FROM head

-- name: sweep
-- In portions, so that it holds few rows at a time, and passes over those that someone is writing: it waits for nobody.
DELETE FROM llmgw.pins
WHERE key IN (
    SELECT key FROM llmgw.pins
    WHERE expires <= extract(epoch FROM now())::double precision ORDER BY expires LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)

-- name: unlike
-- Rows that a replay has otherwise. What has expired on either side is swept from one table sooner than from the other.
SELECT key, to_jsonb(a)::text, to_jsonb(p)::text
FROM (SELECT key, tenant, jsonb_build_object('key', key, 'epoch', epoch, 'home', home, 'current', current) AS pin,
             arrival, expires FROM llmgw.pins_anew) AS a
FULL JOIN (SELECT key, tenant, jsonb_build_object('key', key, 'epoch', epoch, 'home', home, 'current', current) AS pin,
                  arrival, expires FROM llmgw.pins) AS p USING (key)
WHERE (a.tenant, a.pin, a.arrival, a.expires) IS DISTINCT FROM (p.tenant, p.pin, p.arrival, p.expires)
  AND least(a.expires, p.expires) > extract(epoch FROM now())::double precision
ORDER BY key LIMIT %(limit)s

-- name: facts
-- All that was told of some sessions.
SELECT position, id::text, hlc, node, v, kind, tenant, actor, cause, subject, body::text
FROM llmgw.fact_events
WHERE position <= %(upto)s AND kind IN ('session.bound', 'session.moved', 'session.forgotten', 'request.settled')
  AND coalesce(llmgw.object_of(body) #>> '{pin,key}', llmgw.object_of(body) #>> '{session,pin,key}')
      = ANY(%(keys)s::text[])
