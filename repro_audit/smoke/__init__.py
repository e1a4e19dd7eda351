"""The GPU smoke test: hand a probe to an image, read what it says, and name the link of the chain that is broken."""
