"""Every literature number: value, unit, range, meaning, source, locator, status."""
