"""Dose to circulating blood and what it does to lymphocytes."""
