-- name: page
-- A page goes on below the moment and the id that the one before ended at.
SELECT request_id, jsonb_build_object('opened_at', opened_at, 'last', last, 'settled', settled)::text
FROM llmgw.requests
WHERE (%(before)s::double precision IS NULL OR (at, request_id) < (%(before)s::double precision, %(id)s::text))
  AND (%(since)s::double precision IS NULL OR at >= %(since)s)
  AND (%(tenant)s::text IS NULL OR left(tenant, 200) = left(%(tenant)s, 200) AND tenant = %(tenant)s)
  AND (%(key)s::text IS NULL OR left(key, 200) = left(%(key)s, 200) AND key = %(key)s)
  AND (%(account)s::text IS NULL OR left(account, 200) = left(%(account)s, 200) AND account = %(account)s)
  AND (%(session)s::text IS NULL OR left(settled #>> '{session,key}', 200) = left(%(session)s, 200)
                                    AND settled #>> '{session,key}' = %(session)s)
  AND (%(model)s::text IS NULL OR model = %(model)s)
  AND (%(outcome)s::text IS NULL OR outcome = %(outcome)s)
ORDER BY at DESC, request_id DESC
LIMIT %(limit)s

-- name: find
-- By its own id, or the newest of those that clients gave this id to, and how many these are.
WITH found AS (
    SELECT request_id, at, opened_at, last, settled, true AS own
    FROM llmgw.requests WHERE request_id = %(id)s
    UNION ALL
    SELECT request_id, at, opened_at, last, settled, false
    FROM llmgw.requests
    WHERE left(coalesce(settled, last) ->> 'request_id', 200) = left(%(id)s, 200)
      AND coalesce(settled, last) ->> 'request_id' = %(id)s
      AND NOT EXISTS (SELECT FROM llmgw.requests WHERE request_id = %(id)s)
)
SELECT request_id, jsonb_build_object('opened_at', opened_at, 'last', last, 'settled', settled)::text,
       count(*) OVER ()
FROM found ORDER BY at DESC, request_id DESC LIMIT 1

-- name: told
-- All that was told of a request: its own facts, and those of its sessions that name it. An id begins with its time, so
-- only the months between the two are looked into.
WITH own AS MATERIALIZED (
    SELECT * FROM llmgw.fact_events WHERE id >= %(low)s::uuid AND id < %(high)s::uuid AND subject = %(subject)s
), sessions AS (
    SELECT DISTINCT 'session/' || (llmgw.object_of(body) #>> '{choice,session}') AS subject
    FROM own WHERE kind = 'request.opened'
), told AS (
    SELECT * FROM own
    UNION ALL
    SELECT e.* FROM sessions JOIN llmgw.fact_events AS e ON e.subject = sessions.subject
    WHERE e.id >= %(low)s::uuid AND e.id < %(high)s::uuid AND llmgw.object_of(e.body) ->> 'call' = %(call)s
)
SELECT id::text, hlc, node, v, kind, tenant, actor, cause, subject, body::text
FROM told ORDER BY hlc, id LIMIT %(limit)s
