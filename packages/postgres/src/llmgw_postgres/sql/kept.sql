-- name: put
-- Puts and drops, of each place the latest of the batch. What had expired before it came counts for nothing, and so does
-- a row that has. Rows are taken in one order by everybody, so that two batches never wait for each other in a circle.
INSERT INTO llmgw.kept (kind, tenant, id, stamp, writer, body, expires_at)
SELECT DISTINCT ON (kind, id, tenant) kind, tenant, id, stamp, writer, body, to_timestamp(expires)
FROM unnest(%(kinds)s::text[], %(tenants)s::text[], %(ids)s::text[], %(stamps)s::bigint[], %(writers)s::text[],
            %(bodies)b::bytea[], %(expires)s::float8[])
     AS change (kind, tenant, id, stamp, writer, body, expires)
WHERE to_timestamp(expires) > now()
ORDER BY kind, id, tenant, stamp DESC, writer COLLATE "C" DESC
ON CONFLICT (kind, id, tenant) DO UPDATE
SET stamp = excluded.stamp, writer = excluded.writer, body = excluded.body, put_at = now(),
    expires_at = excluded.expires_at
WHERE (excluded.stamp, excluded.writer) > (kept.stamp, kept.writer) OR kept.expires_at <= now()

-- name: touch
-- Only what is there lives longer: no tombstone, and nothing that has expired. Locked in the same order as `put`.
WITH due AS (
    SELECT kind, tenant, id, to_timestamp(max(expires)) AS until
    FROM unnest(%(kinds)s::text[], %(tenants)s::text[], %(ids)s::text[], %(expires)s::float8[])
         AS change (kind, tenant, id, expires)
    GROUP BY kind, tenant, id
), locked AS (
    SELECT kind, tenant, id, until
    FROM llmgw.kept JOIN due USING (kind, tenant, id)
    WHERE body IS NOT NULL AND expires_at > now() AND expires_at < until
    ORDER BY kind, id, tenant
    FOR UPDATE OF kept
)
UPDATE llmgw.kept SET expires_at = locked.until
FROM locked
WHERE kept.kind = locked.kind AND kept.id = locked.id AND kept.tenant = locked.tenant

-- name: by_ids
-- Tombstones too: they win over what a cache may hold.
SELECT kind, tenant, id, stamp, writer, body, extract(epoch FROM expires_at)::float8
FROM llmgw.kept
WHERE kind = ANY(%(kinds)s) AND id = ANY(%(ids)s) AND (%(tenant)s::text IS NULL OR tenant = %(tenant)s)
  AND expires_at > now()
ORDER BY stamp DESC, writer DESC
LIMIT %(limit)s

-- name: of_tenant
SELECT kind, tenant, id, stamp, writer, body, extract(epoch FROM expires_at)::float8
FROM llmgw.kept
WHERE tenant = %(tenant)s AND kind = ANY(%(kinds)s) AND body IS NOT NULL AND expires_at > now()
ORDER BY stamp DESC, writer DESC
LIMIT %(limit)s

-- name: sweep
-- In portions, so that it holds few rows at a time, and passes over those that someone is writing: it waits for nobody.
DELETE FROM llmgw.kept
WHERE (kind, id, tenant) IN (
    SELECT kind, id, tenant FROM llmgw.kept
    WHERE expires_at <= now() ORDER BY expires_at LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
