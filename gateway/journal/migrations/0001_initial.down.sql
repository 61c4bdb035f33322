-- Before the first schema there is no journal: nobody goes back from it.
SELECT 1;
