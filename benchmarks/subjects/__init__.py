"""What the ladder of tightness is climbed with: a module for each kind of fine-tune."""
