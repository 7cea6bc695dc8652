"""The units: one module for each notebook, with its questions and exercises.

Here belongs what is asked and how it is judged; the text that a learner reads is in the notebooks.
Each module ends in `UNIT`. Read `nb01.py` first.
"""
