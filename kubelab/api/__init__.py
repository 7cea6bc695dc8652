"""What an API object is: pure functions on JSON trees.

Here belong the immutable tree (`objects.py`), the table of kinds, the OpenAPI schema, quantities,
selectors, patches, manifests and the errors of the API. No time, no components, no requests: those
are `apiserver/` and `client/`. Read `objects.py` first.
"""
