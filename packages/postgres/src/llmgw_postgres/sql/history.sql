-- name: recent
-- The newest events of the state that are asked for. A kind is the first part of a subject. What is asked of a record
-- is asked of its switch too (`switch/account:a` of `account/a`). A page goes on below the
-- position that the one before ended at, so that what is appended meanwhile moves nothing.
SELECT position, id::text, hlc, node, v, kind, tenant, actor, cause, subject, body::text
FROM llmgw.state_events
WHERE (%(before)s::bigint IS NULL OR position < %(before)s)
  AND (%(kind)s::text IS NULL
       OR starts_with(subject, %(kind)s || '/') OR starts_with(subject, 'switch/' || %(kind)s || ':'))
  AND (%(subject)s::text IS NULL OR subject = ANY(%(subjects)s::text[]))
  AND (%(actor)s::text IS NULL OR actor = %(actor)s)
  AND (%(hlc)s::bigint IS NULL OR hlc >= %(hlc)s)
ORDER BY position DESC
LIMIT %(limit)s

-- name: stamped
-- Events by the stamps of what they wrote.
SELECT position, id::text, hlc, node, v, kind, tenant, actor, cause, subject, body::text
FROM llmgw.state_events
WHERE (hlc, node) IN (SELECT * FROM unnest(%(hlcs)s::bigint[], %(nodes)s::text[]))
