"""Tables of facts about the world outside, each with its sources and their date, and the modules that read them."""
