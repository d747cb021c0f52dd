"""A chat model behind an OpenAI-compatible endpoint: asked politely, paid for once, and never beyond the budget."""
