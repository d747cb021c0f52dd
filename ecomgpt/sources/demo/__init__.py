"""The demo store: a bilingual shop made from a seed, so that everything runs before any data is downloaded."""
