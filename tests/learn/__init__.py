"""The course: its engine, its questions and its exercises."""
