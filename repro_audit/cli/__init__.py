"""The command line: one module per command. Only here is anything printed, and only `main` ends the program."""
