"""The model language: a model is written once as symbols, and everything else is generated from it."""
