"""The canonical interpreter: what a program means, element by element, on every machine the same."""
