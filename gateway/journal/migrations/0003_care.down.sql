-- Thrown away: the minutes of trends (no evidence, neither signed nor sent), and the check sums of latches, which are made when one is
-- next stored. What removal and copies need waits among the latches. No event is in any of these tables.
INSERT INTO latch (key, state) SELECT 'schema-3/checkpoint', json_object('kept', kept, 'kept_sha256', kept_sha256) FROM checkpoint;
INSERT INTO latch (key, state) SELECT 'schema-3/home', json_object('inode', inode, 'generation', generation) FROM home;
INSERT INTO latch (key, state) SELECT 'schema-3/untold',
    json_object('rows', json_group_array(json_array(class, reason, epoch, first, last, count, ids))) FROM untold HAVING count(*) > 0;
ALTER TABLE latch DROP COLUMN sum;
ALTER TABLE checkpoint DROP COLUMN kept_sha256;
ALTER TABLE checkpoint DROP COLUMN kept;
DROP TABLE trend;
DROP TABLE home;
DROP TABLE untold;
