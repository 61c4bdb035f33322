"""The words of the house: plain frozen data and errors. Standard library only, no I/O, no clock."""
