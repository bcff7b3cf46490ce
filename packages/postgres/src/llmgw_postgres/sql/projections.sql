-- name: begin
INSERT INTO llmgw.projections (name, version, position) VALUES ('requests', %(version)s, 0) ON CONFLICT DO NOTHING

-- name: take
-- Whoever folds holds this row until its commit; the others have nothing to do meanwhile.
SELECT version, position FROM llmgw.projections WHERE name = 'requests' FOR UPDATE SKIP LOCKED

-- name: hold
SELECT version, position FROM llmgw.projections WHERE name = 'requests' FOR UPDATE

-- name: upto
-- Where the next batch ends. Positions are ordered as commits are, so nothing comes later below it. A closing fact is a
-- batch of its own: what a fold makes of it must not hang on how the log is cut.
SELECT count(*), coalesce(max(position), 0), coalesce(bool_or(position = closing), false)
FROM (
    SELECT position, min(position) FILTER (WHERE kind = 'usage.closed') OVER () AS closing,
           min(position) OVER () AS first
    FROM (SELECT position, kind FROM llmgw.fact_events
          WHERE position > %(after)s AND position <= %(goal)s ORDER BY position LIMIT %(limit)s) AS behind
) AS batch
WHERE closing IS NULL OR position < closing OR position = first

-- name: move
UPDATE llmgw.projections SET version = %(version)s, position = %(upto)s, folded_at = now() WHERE name = 'requests'

-- name: fold
-- A batch at once, as llmgw_eventstore.requests folds it one by one: the last attempt and the settlement of a request are
-- each chosen by a rule that knows no order, and usage is changed by what a request's settlement was before and is now.
-- So an event that comes again, or late, changes what it should and no more.
WITH batch AS MATERIALIZED (
    SELECT id::text COLLATE "C" AS event, position, kind, v,
           CASE WHEN starts_with(subject, 'request/') THEN substr(subject, 9) ELSE subject END AS request_id,
           llmgw.object_of(body) AS b
    FROM llmgw.fact_events
    WHERE position > %(after)s AND position <= %(upto)s AND kind IN ('request.opened', 'request.settled')
), told AS MATERIALIZED (
    SELECT *, coalesce(
        v = 1
        AND jsonb_typeof(b -> 'request_id') = 'string' AND jsonb_typeof(b -> 'tenant') = 'string'
        AND jsonb_typeof(b -> 'key') = 'string' AND jsonb_typeof(b -> 'dialect') = 'string'
        AND jsonb_typeof(b -> 'model') = 'string' AND llmgw.is_seconds(b -> 'at')
        -- They are keys of indexes, which take no more.
        AND octet_length(request_id) <= 1000
        AND octet_length(concat(b ->> 'tenant', b ->> 'key', b ->> 'model', b ->> 'account', b ->> 'provider')) <= 2000
        AND CASE kind WHEN 'request.opened' THEN
            jsonb_typeof(b -> 'account') = 'string' AND jsonb_typeof(b -> 'provider') = 'string'
            AND jsonb_typeof(b -> 'target_model') = 'string' AND llmgw.is_integer(b -> 'attempt')
        ELSE
            jsonb_typeof(b -> 'stream') = 'boolean' AND jsonb_typeof(b -> 'outcome') = 'string'
            AND llmgw.is_integer(b -> 'status') AND llmgw.is_integer(b -> 'attempts')
            AND llmgw.is_seconds(b -> 'duration')
            AND coalesce(jsonb_typeof(b -> 'account'), 'null') IN ('null', 'string')
            AND coalesce(jsonb_typeof(b -> 'provider'), 'null') IN ('null', 'string')
            AND coalesce(jsonb_typeof(b -> 'target_model'), 'null') IN ('null', 'string')
            AND coalesce(jsonb_typeof(b -> 'finish'), 'null') IN ('null', 'string')
            AND coalesce(jsonb_typeof(b -> 'error_code'), 'null') IN ('null', 'string')
            AND (coalesce(b -> 'first_byte', 'null') = 'null' OR llmgw.is_seconds(b -> 'first_byte'))
            AND coalesce(jsonb_typeof(b -> 'unmetered'), 'boolean') = 'boolean'
            AND coalesce(jsonb_typeof(b -> 'endpoint'), 'string') = 'string'
            AND llmgw.is_seconds(coalesce(b -> 'queued', '0'))
            AND (coalesce(b -> 'session', 'null') = 'null' OR (
                jsonb_typeof(b -> 'session') = 'object'
                AND jsonb_typeof(b -> 'session' -> 'key') = 'string'
                AND jsonb_typeof(b -> 'session' -> 'placement') = 'string'
                AND jsonb_typeof(b -> 'session' -> 'reason') = 'string'
                AND llmgw.is_integer(coalesce(b -> 'session' -> 'expected', '0'))
                AND (coalesce(b -> 'session' -> 'observed', 'null') = 'null'
                     OR llmgw.is_integer(b -> 'session' -> 'observed'))
                AND llmgw.is_integer(coalesce(b -> 'session' -> 'lost', '0'))
                AND coalesce(jsonb_typeof(b -> 'session' -> 'cause'), 'null') IN ('null', 'string')))
            AND (coalesce(b -> 'usage', 'null') = 'null' OR (
                jsonb_typeof(b -> 'usage') = 'object'
                AND llmgw.is_integer(coalesce(b -> 'usage' -> 'uncached_input', '0'))
                AND llmgw.is_integer(coalesce(b -> 'usage' -> 'cache_read', '0'))
                AND llmgw.is_integer(coalesce(b -> 'usage' -> 'cache_write_5m', '0'))
                AND llmgw.is_integer(coalesce(b -> 'usage' -> 'cache_write_1h', '0'))
                AND llmgw.is_integer(coalesce(b -> 'usage' -> 'output', '0'))
                AND (coalesce(b -> 'usage' -> 'reasoning', 'null') = 'null'
                     OR llmgw.is_integer(b -> 'usage' -> 'reasoning'))
                AND coalesce(b -> 'usage' ->> 'provenance', 'reported') IN ('reported', 'estimated')))
        END, false) AS readable
    FROM batch
), noted AS (
    INSERT INTO llmgw.unreadable (event, kind, position)
    SELECT event::uuid, kind, position FROM told WHERE NOT readable
    ON CONFLICT DO NOTHING
), current AS MATERIALIZED (
    -- A month whose totals are facts takes nothing more.
    SELECT told.* FROM told
    WHERE readable AND NOT EXISTS (
        SELECT FROM {closed} AS c WHERE (b ->> 'at')::numeric >= c.began AND (b ->> 'at')::numeric < c.ended)
), attempts AS (
    SELECT DISTINCT ON (request_id) request_id,
           min((b ->> 'at')::double precision) OVER (PARTITION BY request_id) AS opened_at,
           jsonb_build_object(
               'event', event, 'request_id', b -> 'request_id', 'at', b -> 'at', 'tenant', b -> 'tenant',
               'key', b -> 'key', 'dialect', b -> 'dialect', 'model', b -> 'model', 'account', b -> 'account',
               'provider', b -> 'provider', 'target_model', b -> 'target_model', 'attempt', b -> 'attempt') AS last
    FROM current WHERE kind = 'request.opened'
    ORDER BY request_id, (b -> 'attempt')::bigint DESC, event DESC
), settlements AS (
    SELECT DISTINCT ON (request_id) request_id,
           jsonb_build_object(
               'event', event, 'request_id', b -> 'request_id', 'at', b -> 'at', 'tenant', b -> 'tenant',
               'key', b -> 'key', 'dialect', b -> 'dialect', 'model', b -> 'model', 'stream', b -> 'stream',
               'outcome', b -> 'outcome', 'status', b -> 'status', 'attempts', b -> 'attempts',
               'duration', b -> 'duration', 'account', b -> 'account', 'provider', b -> 'provider',
               'target_model', b -> 'target_model', 'finish', b -> 'finish', 'error_code', b -> 'error_code',
               'first_byte', b -> 'first_byte', 'unmetered', coalesce(b -> 'unmetered', 'false'),
               'endpoint', coalesce(b -> 'endpoint', '""'), 'queued', coalesce(b -> 'queued', '0'),
               'session', CASE WHEN jsonb_typeof(b -> 'session') = 'object' THEN jsonb_build_object(
                   'key', b -> 'session' -> 'key', 'placement', b -> 'session' -> 'placement',
                   'reason', b -> 'session' -> 'reason', 'expected', coalesce(b -> 'session' -> 'expected', '0'),
                   'observed', b -> 'session' -> 'observed', 'lost', coalesce(b -> 'session' -> 'lost', '0'),
                   'cause', b -> 'session' -> 'cause') END,
               'usage', CASE WHEN jsonb_typeof(b -> 'usage') = 'object' THEN jsonb_build_object(
                   'uncached_input', coalesce(b -> 'usage' -> 'uncached_input', '0'),
                   'cache_read', coalesce(b -> 'usage' -> 'cache_read', '0'),
                   'cache_write_5m', coalesce(b -> 'usage' -> 'cache_write_5m', '0'),
                   'cache_write_1h', coalesce(b -> 'usage' -> 'cache_write_1h', '0'),
                   'output', coalesce(b -> 'usage' -> 'output', '0'),
                   'reasoning', b -> 'usage' -> 'reasoning',
                   'provenance', coalesce(b -> 'usage' -> 'provenance', '"reported"')) END) AS settled
    FROM current WHERE kind = 'request.settled'
    ORDER BY request_id, (b ->> 'outcome' <> 'crashed') DESC, event DESC
), merged AS MATERIALIZED (
    SELECT request_id, least(r.opened_at, a.opened_at) AS opened_at,
           CASE WHEN r.last IS NULL
                  OR ((a.last -> 'attempt')::bigint, a.last ->> 'event' COLLATE "C")
                   > ((r.last -> 'attempt')::bigint, r.last ->> 'event' COLLATE "C")
                THEN a.last ELSE r.last END AS last,
           CASE WHEN r.settled IS NULL
                  OR (s.settled ->> 'outcome' <> 'crashed', s.settled ->> 'event' COLLATE "C")
                   > (r.settled ->> 'outcome' <> 'crashed', r.settled ->> 'event' COLLATE "C")
                THEN s.settled ELSE r.settled END AS settled,
           r.settled AS former
    FROM attempts AS a FULL JOIN settlements AS s USING (request_id) LEFT JOIN {requests} AS r USING (request_id)
), kept AS (
    INSERT INTO {requests} AS r (request_id, opened_at, last, settled)
    SELECT request_id, opened_at, last, settled FROM merged
    ON CONFLICT (request_id) DO UPDATE
    SET opened_at = excluded.opened_at, last = excluded.last, settled = excluded.settled
    WHERE (r.opened_at, r.last, r.settled) IS DISTINCT FROM (excluded.opened_at, excluded.last, excluded.settled)
), shares AS (
    SELECT floor((s ->> 'at')::numeric / 3600)::bigint * 3600 AS hour, sign, s, s -> 'usage' AS u
    FROM (SELECT -1, former FROM merged WHERE former IS DISTINCT FROM settled AND former IS NOT NULL
          UNION ALL
          SELECT 1, settled FROM merged WHERE former IS DISTINCT FROM settled) AS change (sign, s)
)
INSERT INTO {usage} AS t
SELECT hour, s ->> 'tenant', s ->> 'key', s ->> 'model', coalesce(s ->> 'account', ''), coalesce(s ->> 'provider', ''),
       sum(sign),
       sum(sign * (s ->> 'outcome' IN ('refused', 'failed', 'crashed'))::int),
       sum(sign * coalesce((u ->> 'uncached_input')::bigint, 0)),
       sum(sign * coalesce((u ->> 'cache_read')::bigint, 0)),
       sum(sign * coalesce((u ->> 'cache_write_5m')::bigint, 0)),
       sum(sign * coalesce((u ->> 'cache_write_1h')::bigint, 0)),
       sum(sign * coalesce((u ->> 'output')::bigint, 0)),
       sum(sign * coalesce((u ->> 'reasoning')::bigint, 0)),
       sum(sign * coalesce((u ->> 'provenance' = 'estimated')::int, 0)),
       sum(sign * (s ->> 'unmetered')::boolean::int)
FROM shares
GROUP BY 1, 2, 3, 4, 5, 6
ON CONFLICT (hour, tenant, key, model, account, provider) DO UPDATE
SET calls = t.calls + excluded.calls,
    errors = t.errors + excluded.errors,
    uncached_input = t.uncached_input + excluded.uncached_input,
    cache_read = t.cache_read + excluded.cache_read,
    cache_write_5m = t.cache_write_5m + excluded.cache_write_5m,
    cache_write_1h = t.cache_write_1h + excluded.cache_write_1h,
    output = t.output + excluded.output,
    reasoning = t.reasoning + excluded.reasoning,
    estimated = t.estimated + excluded.estimated,
    unmetered = t.unmetered + excluded.unmetered

-- name: prune
DELETE FROM {usage} WHERE calls = 0

-- name: shadow
-- The tables of a replay, beside the live ones.
DROP TABLE IF EXISTS llmgw.requests_anew, llmgw.usage_anew, llmgw.closed_anew, llmgw.pins_anew;
CREATE TABLE llmgw.requests_anew (LIKE llmgw.requests INCLUDING ALL);
CREATE TABLE llmgw.usage_anew (LIKE llmgw.usage INCLUDING ALL);
CREATE TABLE llmgw.closed_anew (LIKE llmgw.closed INCLUDING ALL);
CREATE TABLE llmgw.pins_anew (LIKE llmgw.pins INCLUDING ALL)

-- name: swap
DROP TABLE llmgw.requests, llmgw.usage, llmgw.closed, llmgw.pins;
ALTER TABLE llmgw.requests_anew RENAME TO requests;
ALTER TABLE llmgw.usage_anew RENAME TO usage;
ALTER TABLE llmgw.closed_anew RENAME TO closed;
ALTER TABLE llmgw.pins_anew RENAME TO pins

-- name: discard
DROP TABLE IF EXISTS llmgw.requests_anew, llmgw.usage_anew, llmgw.closed_anew, llmgw.pins_anew

-- name: unlike_requests
SELECT request_id, a.request_id IS NOT NULL, to_jsonb(a)::text, r.request_id IS NOT NULL, to_jsonb(r)::text
FROM (SELECT request_id, opened_at, last, settled FROM llmgw.requests_anew) AS a
FULL JOIN (SELECT request_id, opened_at, last, settled FROM llmgw.requests) AS r USING (request_id)
WHERE (a.opened_at, a.last, a.settled) IS DISTINCT FROM (r.opened_at, r.last, r.settled)
ORDER BY request_id LIMIT %(limit)s

-- name: unlike_usage
SELECT concat_ws(' ', to_char(to_timestamp(hour) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24'), tenant, key, model, account),
       to_jsonb(a)::text, to_jsonb(u)::text
FROM llmgw.usage_anew AS a FULL JOIN llmgw.usage AS u USING (hour, tenant, key, model, account, provider)
WHERE a IS DISTINCT FROM u
ORDER BY 1 LIMIT %(limit)s
