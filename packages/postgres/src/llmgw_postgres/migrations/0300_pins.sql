-- Where sessions are pinned, folded from the facts: the row of llmgw_relay's fold of that name.
--
-- `home` and `current` are stays as JSON, `arrival` says how the session came to where it is; the other columns follow
-- from them, for those who ask. What has expired is of no use to anybody, and swept.

CREATE TABLE llmgw.pins (
    key text COLLATE "C" PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL,
    epoch bigint NOT NULL,
    home jsonb NOT NULL,
    current jsonb NOT NULL,
    arrival jsonb NOT NULL,
    expires double precision NOT NULL,
    account text NOT NULL GENERATED ALWAYS AS (current ->> 'account') STORED,
    actor text NOT NULL GENERATED ALWAYS AS (arrival ->> 'actor') STORED
);
-- Pages of one tenant's sessions, of those at one account, and of those of one client's key.
CREATE INDEX ON llmgw.pins (left(tenant, 200), key);
CREATE INDEX ON llmgw.pins (left(account, 200), key);
CREATE INDEX ON llmgw.pins (left(actor, 200), key);
-- What has expired.
CREATE INDEX ON llmgw.pins (expires);

-- Whether a value is a count or a reading of a clock: false also for none at all.
CREATE FUNCTION llmgw.is_reading(value jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(jsonb_typeof(value) = 'number' AND value::text ~ '^[0-9]{1,18}$', false)
$$;

-- A stay with all of its fields and no others; NULL for what is none.
CREATE FUNCTION llmgw.stay_of(value jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN jsonb_typeof(value -> 'account') = 'string' AND jsonb_typeof(value -> 'node') = 'string'
                 AND llmgw.is_reading(value -> 'since') AND llmgw.is_reading(coalesce(value -> 'told', '0'))
                 AND llmgw.is_reading(coalesce(value -> 'cached', '0'))
                 AND llmgw.is_seconds(coalesce(value -> 'warm_until', '0'))
    THEN jsonb_build_object('account', value -> 'account', 'since', value -> 'since', 'node', value -> 'node',
                            'warm_until', coalesce(value -> 'warm_until', '0'),
                            'cached', coalesce(value -> 'cached', '0'), 'told', coalesce(value -> 'told', '0'))
    END
$$;

-- How a session came to where it is, of a fact that says so; nothing that counts, of a call that is over; NULL for what
-- can't be read.
CREATE FUNCTION llmgw.arrival_of(kind text, body jsonb, actor text) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN kind = 'request.settled'
    THEN '{"since": 0, "node": "", "actor": "", "model": "", "reason": ""}'::jsonb
                WHEN jsonb_typeof(coalesce(body -> 'model', '""')) = 'string'
                 AND jsonb_typeof(coalesce(body -> 'reason', '""')) = 'string'
                 AND jsonb_typeof(coalesce(body -> 'call', '""')) = 'string'
    THEN jsonb_build_object('since', body #> '{pin,current,since}', 'node', body #> '{pin,current,node}',
                            'actor', actor, 'model', coalesce(body -> 'model', '""'),
                            'reason', coalesce(body -> 'reason', '""'))
    END
$$;

-- When nobody needs a pin any more, in seconds since 1970: a day after it was last heard of and last warm.
CREATE FUNCTION llmgw.pin_expires(home jsonb, current jsonb) RETURNS double precision LANGUAGE sql IMMUTABLE AS $$
    SELECT greatest(
        (greatest((home ->> 'since')::bigint, (home ->> 'told')::bigint,
                  (current ->> 'since')::bigint, (current ->> 'told')::bigint) >> 16)::double precision / 1000,
        (home ->> 'warm_until')::double precision, (current ->> 'warm_until')::double precision) + 86400
$$;
