-- The request log as people look into it: a request by the id that its client chose for it, and pages of those of one
-- session, key or account, newest first. What a client chose, or an operator named, may be longer than an index takes.
CREATE INDEX ON llmgw.requests (left(coalesce(settled, last) ->> 'request_id', 200), at);
CREATE INDEX ON llmgw.requests (left(settled #>> '{session,key}', 200), at, request_id)
    WHERE settled #>> '{session,key}' IS NOT NULL;
CREATE INDEX ON llmgw.requests (left(key, 200), at, request_id);
CREATE INDEX ON llmgw.requests (left(account, 200), at, request_id);
