-- The request log and the hourly usage, folded from the facts, and how far.
--
-- A row of `requests` is the row of llmgw_eventstore's fold of that name: its last attempt and its settlement as JSON. The
-- other columns follow from these two, for those who ask.

CREATE TABLE llmgw.projections (
    name text PRIMARY KEY,
    version integer NOT NULL,
    position bigint NOT NULL,
    folded_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE llmgw.requests (
    request_id text PRIMARY KEY,
    opened_at double precision,
    last jsonb,
    settled jsonb,
    at double precision NOT NULL GENERATED ALWAYS AS ((coalesce(settled, last) ->> 'at')::double precision) STORED,
    tenant text NOT NULL GENERATED ALWAYS AS (coalesce(settled, last) ->> 'tenant') STORED,
    key text NOT NULL GENERATED ALWAYS AS (coalesce(settled, last) ->> 'key') STORED,
    model text NOT NULL GENERATED ALWAYS AS (coalesce(settled, last) ->> 'model') STORED,
    account text GENERATED ALWAYS AS (coalesce(settled, last) ->> 'account') STORED,
    outcome text NOT NULL GENERATED ALWAYS AS (coalesce(settled ->> 'outcome', 'open')) STORED
);
-- Pages of the request log, newest first, and those of one tenant.
CREATE INDEX ON llmgw.requests (at, request_id);
CREATE INDEX ON llmgw.requests (left(tenant, 200), at, request_id);
-- What is still open: few, and looked for after every crash.
CREATE INDEX ON llmgw.requests (at) WHERE settled IS NULL;

CREATE TABLE llmgw.usage (
    hour bigint NOT NULL,
    tenant text NOT NULL,
    key text NOT NULL,
    model text NOT NULL,
    account text NOT NULL,
    provider text NOT NULL,
    calls bigint NOT NULL,
    errors bigint NOT NULL,
    uncached_input bigint NOT NULL,
    cache_read bigint NOT NULL,
    cache_write_5m bigint NOT NULL,
    cache_write_1h bigint NOT NULL,
    output bigint NOT NULL,
    reasoning bigint NOT NULL,
    estimated bigint NOT NULL,
    unmetered bigint NOT NULL,
    PRIMARY KEY (hour, tenant, key, model, account, provider)
);
-- Groups that lost their last call, to be taken out after a fold.
CREATE INDEX ON llmgw.usage (hour) WHERE calls = 0;

-- Months whose totals are facts: their usage comes from these and from nothing else.
CREATE TABLE llmgw.closed (
    month text PRIMARY KEY,
    began bigint NOT NULL,
    ended bigint NOT NULL
);

-- Facts that a fold had to leave out. What they told is missing in the tables: an operator must hear of it.
CREATE TABLE llmgw.unreadable (
    event uuid PRIMARY KEY,
    kind text NOT NULL,
    position bigint NOT NULL,
    noted_at timestamptz NOT NULL DEFAULT now()
);

-- A body that can be looked into: with NUL characters replaced, which jsonb can't hold, or NULL for what is none at all
-- to it (half a surrogate pair, a number beyond measure). A fold must not fail for one event.
CREATE FUNCTION llmgw.object_of(body json) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN body::jsonb;
EXCEPTION WHEN OTHERS THEN
    BEGIN
        RETURN regexp_replace(body::text, '(?<!\\)((?:\\\\)*)\\u0000', '\1\\ufffd', 'g')::jsonb;
    EXCEPTION WHEN OTHERS THEN
        RETURN NULL;
    END;
END
$$;

-- Whether a value is an integer that fits: false also for none at all.
CREATE FUNCTION llmgw.is_integer(value jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(jsonb_typeof(value) = 'number' AND value::text ~ '^-?[0-9]{1,15}$', false)
$$;

-- Whether a value is a number of seconds: false also for none at all.
CREATE FUNCTION llmgw.is_seconds(value jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(CASE WHEN jsonb_typeof(value) = 'number' THEN abs(value::numeric) < 1e12 END, false)
$$;
