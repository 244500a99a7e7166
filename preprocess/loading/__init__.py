"""From a Record to a Subject: reads files, checks labels against the image, repairs or rejects."""
