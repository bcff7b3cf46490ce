-- Records that outlive a call: whose an object is, reasoning that clients drop, stored responses. Bodies are sealed.
--
-- Of one place the latest stamp wins, so what is offered again changes nothing. A row without a body is a tombstone: it
-- wins over the puts before it, until they would have expired all the same.
CREATE TABLE llmgw.kept (
    kind text NOT NULL,
    tenant text NOT NULL,
    id text NOT NULL,
    stamp bigint NOT NULL,
    -- "C": ties are broken as every node breaks them, by code points.
    writer text COLLATE "C" NOT NULL,
    body bytea,
    put_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    -- In this order an id is found without its tenant as well.
    PRIMARY KEY (kind, id, tenant)
);
-- What a tenant has, the latest first.
CREATE INDEX kept_latest ON llmgw.kept (tenant, kind, stamp);
-- What has expired.
CREATE INDEX kept_expiry ON llmgw.kept (expires_at);
-- Bodies are deflated before they are sealed; trying again would only cost time.
ALTER TABLE llmgw.kept ALTER COLUMN body SET STORAGE EXTERNAL;
