"""What only some builds ask for: limits of the images, and optional members of a sample."""
