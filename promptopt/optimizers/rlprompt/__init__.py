"""RLPrompt: a frozen small language model with a trained adapter writes a prompt token by token."""
