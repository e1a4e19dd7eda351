"""Images, archives and engines: everything that opens an image or starts a process."""
