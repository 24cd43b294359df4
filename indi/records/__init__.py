"""What was computed and how it came to be: tables and figures with their provenance."""
