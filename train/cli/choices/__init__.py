"""Groups of options that commands share, and what follows from them."""
