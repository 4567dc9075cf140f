"""One file per mechanism: the states, terms and updates it adds, and its switch."""
