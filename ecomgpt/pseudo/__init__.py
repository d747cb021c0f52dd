"""Pseudo labels: unlabelled titles, reviews, queries and dialogues, labelled by a chat model and checked against the
text."""
