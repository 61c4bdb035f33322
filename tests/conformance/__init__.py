"""One list of cases for all roads: real wire -> line -> driver -> readings."""
