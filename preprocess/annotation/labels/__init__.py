"""From estimates to labels in AI-Hub's sense: body regions, outlines, landmarks, and how sure they are."""
