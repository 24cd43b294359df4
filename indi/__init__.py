"""Inversion by Direct Iteration (Delbracio & Milanfar, TMLR 2023), reproduced.

The flow goes one way: recipe -> data -> degradation -> training -> sampling -> metrics -> results
-> figures, tables, claims -> book. Nothing lower imports anything higher.
"""

__version__ = "0.1.0"
