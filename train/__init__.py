"""`trainer`: streams shards into the cascade 128² → 256² → 1024², trains it, and dresses people with it."""
