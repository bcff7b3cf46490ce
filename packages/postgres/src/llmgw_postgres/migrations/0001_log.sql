-- The two logs, the timelines of their positions, and readers' snapshots.
--
-- Bodies are `json`, not `jsonb`: what was written is given back as it was, and jsonb refuses NUL characters.
-- Positions come from a sequence under a lock that the append holds until its commit, so they are ordered as commits are.

CREATE SEQUENCE llmgw.state_position;

-- State events are never detached: whoever reads the log from its beginning has the whole state.
CREATE TABLE llmgw.state_events (
    position bigint NOT NULL,
    id uuid NOT NULL,
    hlc bigint NOT NULL,
    node text NOT NULL,
    v integer NOT NULL,
    kind text NOT NULL,
    tenant text NOT NULL,
    actor text NOT NULL,
    cause text,
    subject text NOT NULL,
    body json NOT NULL,
    appended_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (position),
    UNIQUE (id)
);
-- The history of one record. By hash, which takes subjects of any length.
CREATE INDEX ON llmgw.state_events USING hash (subject);

CREATE SEQUENCE llmgw.fact_position;

-- A UUIDv7 begins with its time: a range of ids is a range of time, so months are partitions and the id stays unique.
CREATE TABLE llmgw.fact_events (
    position bigint NOT NULL,
    id uuid NOT NULL,
    hlc bigint NOT NULL,
    node text NOT NULL,
    v integer NOT NULL,
    kind text NOT NULL,
    tenant text NOT NULL,
    actor text NOT NULL,
    cause text,
    subject text NOT NULL,
    body json NOT NULL,
    appended_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (id)
) PARTITION BY RANGE (id);
CREATE INDEX ON llmgw.fact_events (position);
-- What happened to one request.
CREATE INDEX ON llmgw.fact_events USING hash (subject);

-- What belongs to no month that has been made: an append never fails for want of a partition.
CREATE TABLE llmgw.fact_events_other PARTITION OF llmgw.fact_events DEFAULT;

-- A stretch of positions that no other copy of this log has given to other events. It ends where a standby takes over,
-- or a dump is restored. `state_position` and `fact_position`: what the log held when it began, which is what it has in
-- common with the timeline before it.
CREATE TABLE llmgw.timelines (
    timeline bigint PRIMARY KEY,
    place text NOT NULL,
    state_position bigint NOT NULL,
    fact_position bigint NOT NULL,
    began_at timestamptz NOT NULL DEFAULT now()
);

-- Where the log lives: another place is another timeline. The system identifier and the server's own timeline tell
-- copies of a cluster apart (`pg_control_checkpoint()` would know of a promotion only after the next checkpoint); the
-- database and the table's oid tell a restored dump.
CREATE FUNCTION llmgw.place() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT format('%s/%s/%s/%s', c.system_identifier, d.oid, 'llmgw.state_events'::regclass::oid,
                  left(pg_walfile_name(pg_current_wal_lsn()), 8))
    FROM pg_control_system() AS c, pg_database AS d WHERE d.datname = current_database()
$$;

-- The timeline that would begin now.
CREATE FUNCTION llmgw.next_timeline(
    OUT timeline bigint, OUT place text, OUT state_position bigint, OUT fact_position bigint
) LANGUAGE sql VOLATILE AS $$
    SELECT (((coalesce((SELECT max(t.timeline) FROM llmgw.timelines AS t), 0) >> 32) + 1) << 32)
               + ('x' || left(md5(gen_random_uuid()::text), 8))::bit(32)::bigint,
           llmgw.place(),
           coalesce((SELECT max(position) FROM llmgw.state_events), 0),
           coalesce((SELECT max(position) FROM llmgw.fact_events), 0)
$$;

CREATE TABLE llmgw.snapshots (
    name text PRIMARY KEY,
    timeline bigint NOT NULL,
    position bigint NOT NULL,
    body bytea NOT NULL,
    saved_at timestamptz NOT NULL DEFAULT now()
);
-- Snapshots are compressed by those who make them, if at all; trying again would only cost time.
ALTER TABLE llmgw.snapshots ALTER COLUMN body SET STORAGE EXTERNAL;
