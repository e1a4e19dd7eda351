"""Facts: what rules ask about, independent of the kind of file it came from."""
