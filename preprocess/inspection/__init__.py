"""Looking at what is there: a dataset before it is built, a folder of shards after."""
