"""The JSON API under `/api/v1`: one table of operations, which requests are served by and which OpenAPI is made of."""
