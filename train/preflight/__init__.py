"""What will go wrong on this machine, with these shards and these settings, found before a run of days is started."""
