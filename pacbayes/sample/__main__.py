"""Prints the folder of the shipped sample: ``SAMPLE=$(python -m pacbayes.sample)``."""

from pathlib import Path

if __name__ == "__main__":
    print(Path(__file__).parent)
