"""Two images compared file by file: what differs, which instruction wrote it, why, and what would remove the
difference.
"""
