"""Tables, figures, pages and model cards; knows what is in certificates and plans, not how made."""
