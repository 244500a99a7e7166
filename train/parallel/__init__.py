"""Training on several processes: `world` is who they are and how they agree, `network` how the weights are shared."""
