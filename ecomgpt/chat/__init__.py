"""A chat model behind an OpenAI-compatible endpoint: rate limited, cached, and within a budget."""
