-- Where sessions are pinned, folded from the facts: the row of llmgw_relay's fold of that name.
--
-- `home` and `current` are stays as JSON; the other columns follow from them, for those who ask. What has expired is of
-- no use to anybody, and swept.

CREATE TABLE llmgw.pins (
    key text COLLATE "C" PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL,
    epoch bigint NOT NULL,
    home jsonb NOT NULL,
    current jsonb NOT NULL,
    expires double precision NOT NULL,
    account text NOT NULL GENERATED ALWAYS AS (current ->> 'account') STORED
);
-- Pages of one tenant's sessions, and of those at one account.
CREATE INDEX ON llmgw.pins (left(tenant, 200), key);
CREATE INDEX ON llmgw.pins (left(account, 200), key);
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

-- When nobody needs a pin any more, in seconds since 1970: a day after it was last heard of and last warm.
CREATE FUNCTION llmgw.pin_expires(home jsonb, current jsonb) RETURNS double precision LANGUAGE sql IMMUTABLE AS $$
    SELECT greatest(
        (greatest((home ->> 'since')::bigint, (home ->> 'told')::bigint,
                  (current ->> 'since')::bigint, (current ->> 'told')::bigint) >> 16)::double precision / 1000,
        (home ->> 'warm_until')::double precision, (current ->> 'warm_until')::double precision) + 86400
$$;
