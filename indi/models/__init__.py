"""Trained networks for others: shipped with a card, and used on a photograph."""
