"""The methods, each a file or a folder; none imports another."""
