"""From fitted curves to decisions: which difficulty, or mixture, to train on at which budget."""
