"""Models: by name, and what they cost; engines and servers have folders of their own."""
