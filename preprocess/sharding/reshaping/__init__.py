"""From finished folders of shards to other ones, without the dataset: merged, a part of one, or one extended."""
