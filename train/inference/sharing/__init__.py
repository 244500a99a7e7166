"""A trained cascade for others: opened wherever it lies, and written in formats that others read."""
