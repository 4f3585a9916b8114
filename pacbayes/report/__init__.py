"""Tables and figures of certificates; knows what is in them, not how they were made."""
