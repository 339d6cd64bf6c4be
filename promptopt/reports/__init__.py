"""What a person reads of a run, and takes away from it. Nothing here asks a model or writes a file."""
