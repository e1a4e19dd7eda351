"""The published JSON Schemas of what repro-audit prints, one file for each report and version."""
