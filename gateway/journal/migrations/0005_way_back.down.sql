-- Nothing is lost: the program has the ways back to the schemas before in files of its own.
DROP TABLE migration;
