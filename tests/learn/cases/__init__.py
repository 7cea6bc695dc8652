"""What is tried on each exercise: one module for each notebook, see `case.py`."""
