"""For whom a treatment changes the outcome: effects identified against a control, or "not shown"."""
