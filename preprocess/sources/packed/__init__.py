"""Files in zips and tars, which are read in place."""
