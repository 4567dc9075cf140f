"""Sample cases: one fetched clinical plan, one synthetic thorax."""
