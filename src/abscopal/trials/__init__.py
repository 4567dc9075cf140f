"""What the randomised and single-arm evidence for radiotherapy with immunotherapy says."""
