"""How much memory a stage's training takes on a card, and what fits, without the card."""
