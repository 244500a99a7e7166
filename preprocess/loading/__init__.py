"""From a Record to a Subject: files read, labels held against the image, repaired or rejected."""
