"""What the probe imports of jax."""
