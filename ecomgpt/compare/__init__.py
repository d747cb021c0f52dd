"""Blind comparison of two runs' answers: people in a browser, an automatic judge, and their agreement."""
