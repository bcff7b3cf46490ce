-- name: take
-- Without waiting: whoever holds it runs the job, there is nothing to wait for.
SELECT pg_try_advisory_lock(hashtextextended(%(name)s, 0))
