-- The audit trail shows from what a field was changed: the event of an earlier stamp, which is looked for by it.
CREATE INDEX state_events_stamp ON llmgw.state_events (hlc, node);
