"""`prep inspect`: a dataset's content, how its parts join, and its faults."""
