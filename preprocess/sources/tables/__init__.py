"""Tables of pairs: a CSV, JSON lines or parquet file whose columns name, or hold, the files of each pair."""
