"""What a run ends with: the final choice, the sealed test, the verdict."""
