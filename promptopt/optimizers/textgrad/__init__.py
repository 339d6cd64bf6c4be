"""TextGrad: criticism passed back through the calls of a program."""
