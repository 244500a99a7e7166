"""What a training run looks at on the way: the loss on people it does not learn from, and pictures of them."""
