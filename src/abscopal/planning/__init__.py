"""Treatment planning with the immune system among the objectives: fluence on a dose-influence matrix."""
