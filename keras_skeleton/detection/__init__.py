"""Actions in untrimmed recordings: proposals from attention, their classification, scores."""
