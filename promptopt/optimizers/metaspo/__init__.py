"""A system prompt and user prompts, improved in turn over several tasks."""
