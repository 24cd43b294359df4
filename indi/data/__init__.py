"""Images: the sets they come from, how they are degraded, and the crops that a network is trained on."""
