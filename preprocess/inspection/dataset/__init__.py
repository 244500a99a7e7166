"""What a dataset holds, how its parts join, and what is wrong with it: `prep inspect`."""
