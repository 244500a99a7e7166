"""From the network's square to the whole photograph: find it, decode it, paste the square back, encode it."""
