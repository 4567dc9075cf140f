"""An assessment as one HTML file and one JSON file."""
