"""What the browser asks for: each route validates, calls a room, and answers."""
