"""Joins the answers for one patient."""
