"""Darknet's cfg files: their text, what it amounts to, and the network of it."""
