"""What a prompt is worth on an example: replies, labels, losses, preferences; metrics and how answers are read."""
