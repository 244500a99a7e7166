"""What a data set holds, how its parts join, and what is wrong with it: `prep inspect`."""
