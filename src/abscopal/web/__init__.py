"""The workbench in a browser: the commands of abscopal behind forms, on this machine alone."""
