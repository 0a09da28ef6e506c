"""Action detection in untrimmed recordings: attention proposals, classification and scores."""
