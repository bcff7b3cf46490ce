-- name: state
-- Whether this is a replica, whether it hears from its primary now, and whether it shows what was written before `lsn`.
SELECT pg_is_in_recovery(), EXISTS (SELECT FROM pg_stat_wal_receiver),
       %(lsn)s::pg_lsn IS NULL OR coalesce(pg_last_wal_replay_lsn() >= %(lsn)s::pg_lsn, false)
