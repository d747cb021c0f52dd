"""Two runs' answers side by side: people's blind verdicts in a browser, an automatic judge beside them, and how far they agree."""
