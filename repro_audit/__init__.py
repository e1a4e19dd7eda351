"""repro-audit: will this image be the same when somebody rebuilds it next year, and will it see the GPU?"""

__version__ = "0.1.0"
