"""The official OpenAPI schema of the kinds that are served.

Here belong the data (two compressed files, made by `generate.py`) and the functions that look up
in them. What follows from the schema (strict decoding, patches, discovery documents) belongs
elsewhere. Read `openapi.py` first.
"""
