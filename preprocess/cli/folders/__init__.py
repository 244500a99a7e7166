"""Commands that make finished folders of shards into other ones: one file a command."""
