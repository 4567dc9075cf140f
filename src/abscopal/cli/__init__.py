"""The `abscopal` command. No science and no file formats live here."""
