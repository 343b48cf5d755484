"""APIs that several SDKs speak: where their values are, and the content of their messages."""
