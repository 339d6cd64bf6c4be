"""`python -m promptopt`: the command line."""

from promptopt.cli.main import main

if __name__ == "__main__":
    main()
