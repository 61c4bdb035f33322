-- Nothing is thrown away: which event told of removed alarms last waits among the latches.
INSERT INTO latch (key, state) SELECT 'schema-4/removal', json_object('event', event) FROM removal;
DROP TABLE removal;
