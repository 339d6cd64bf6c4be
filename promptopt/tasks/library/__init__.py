"""The tasks that come with the package, and what makes the generated ones."""
