"""What a prompt is worth on an example: generation, labels, losses, preferences; metrics and how answers are read."""
