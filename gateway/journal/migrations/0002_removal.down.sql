-- What the first schema has no table for waits among the latches, where a program that does not know the key leaves it alone.
-- Thrown away: `tally`, which is counted anew. Row numbers stay as they are: they only order, and the first schema goes on behind the last.
-- No event is in any of these tables; events and what is owed are not touched.
INSERT INTO latch SELECT 'schema-2/stub',
    json_object('rows', json_group_array(json_array(row, epoch, sequence, class, classsequence, id, sha256))) FROM stub HAVING count(*) > 0;
INSERT INTO latch SELECT 'schema-2/checkpoint', json_object('row', json_array(event, epoch, sequence, sha256, count, classes)) FROM checkpoint;
INSERT INTO latch SELECT 'schema-2/carried', json_object('rows', json_group_array(json_array(name, row, done))) FROM carried HAVING count(*) > 0;
DROP TABLE stub;
DROP TABLE checkpoint;
DROP TABLE tally;
DROP TABLE carried;
DROP INDEX event_class;
