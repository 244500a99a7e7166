"""Looking at what is there: a data set before it is built, a folder of shards after."""
