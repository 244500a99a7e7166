"""Networks that estimate poses and masks, each behind one of two protocols; one adapter a file."""
