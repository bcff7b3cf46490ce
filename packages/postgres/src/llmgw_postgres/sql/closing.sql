-- name: facts
-- A month's totals as facts, a thousand groups to each. They are numbered, since a fold begins a month at its first one.
INSERT INTO llmgw.fact_events (position, id, hlc, node, v, kind, tenant, actor, cause, subject, body)
SELECT nextval('llmgw.fact_position'), id::uuid, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint << 16,
       'store', 1, 'usage.closed', '', 'system', NULL, 'usage/' || %(month)s, body
FROM (
    SELECT part, json_build_object('month', %(month)s::text, 'began', %(began)s::bigint, 'ended', %(ended)s::bigint,
                                   'part', part, 'rows', coalesce(json_agg(u) FILTER (WHERE hour IS NOT NULL), '[]'))
    FROM (SELECT 1 AS part, NULL::llmgw.usage AS u, NULL::bigint AS hour
          UNION ALL
          SELECT 1 + (row_number() OVER (ORDER BY hour, tenant, key, model, account, provider) - 1) / 1000, u, hour
          FROM llmgw.usage AS u WHERE hour >= %(began)s AND hour < %(ended)s) AS numbered
    GROUP BY part
) AS total (part, body)
JOIN unnest(%(ids)s::text[]) WITH ORDINALITY AS given (id, number) ON number = part
ORDER BY part

-- name: parts
SELECT greatest(1, (count(*) + 999) / 1000) FROM llmgw.usage WHERE hour >= %(began)s AND hour < %(ended)s

-- name: is_closed
SELECT EXISTS (SELECT FROM llmgw.closed WHERE month = %(month)s)

-- name: detach
-- What the totals do not tell stays in the log: totals of earlier months, and whatever was told of requests that ended in
-- a later month. What had stayed so and is told by totals now goes the same way as the month.
SET LOCAL lock_timeout = '5s';
ALTER TABLE llmgw.fact_events DETACH PARTITION llmgw.{partition};
WITH kept AS (
    DELETE FROM llmgw.{partition} AS e
    WHERE kind = 'usage.closed' OR kind IN ('request.opened', 'request.attempt_ended', 'request.settled') AND EXISTS (
        SELECT FROM llmgw.requests WHERE 'request/' || request_id = e.subject)
    RETURNING e.*
)
INSERT INTO llmgw.fact_events SELECT * FROM kept;
WITH told AS (
    DELETE FROM llmgw.fact_events_other AS e
    USING (SELECT id, llmgw.object_of(body) -> 'at' AS at FROM llmgw.fact_events_other
           WHERE kind IN ('request.opened', 'request.attempt_ended', 'request.settled')) AS f, llmgw.closed AS c
    WHERE e.id = f.id AND CASE WHEN llmgw.is_seconds(f.at) THEN f.at::numeric >= c.began AND f.at::numeric < c.ended END
      AND NOT EXISTS (SELECT FROM llmgw.requests WHERE 'request/' || request_id = e.subject)
    RETURNING e.*
)
INSERT INTO llmgw.{partition} SELECT * FROM told ON CONFLICT DO NOTHING

-- name: clear
-- The first of a month's totals closes it: what had been folded for it makes room. Requests that ended in it are gone.
WITH begun AS MATERIALIZED (
    SELECT body ->> 'month' AS month, (body ->> 'began')::bigint AS began, (body ->> 'ended')::bigint AS ended
    FROM llmgw.fact_events
    WHERE position > %(after)s AND position <= %(upto)s AND kind = 'usage.closed' AND (body ->> 'part')::integer = 1
), usage AS (
    DELETE FROM {usage} AS u USING begun AS b WHERE u.hour >= b.began AND u.hour < b.ended
), requests AS (
    DELETE FROM {requests} AS r USING begun AS b WHERE r.at >= b.began AND r.at < b.ended
)
INSERT INTO {closed} (month, began, ended) SELECT month, began, ended FROM begun ON CONFLICT DO NOTHING

-- name: fill
INSERT INTO {usage}
SELECT row.*
FROM llmgw.fact_events AS e, json_populate_recordset(NULL::llmgw.usage, e.body -> 'rows') AS row
WHERE e.position > %(after)s AND e.position <= %(upto)s AND e.kind = 'usage.closed'
ON CONFLICT DO NOTHING
