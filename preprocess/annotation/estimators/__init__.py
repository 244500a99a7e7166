"""Networks that estimate poses and masks, behind two protocols; one adapter per module."""
