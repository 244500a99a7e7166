"""From estimates to AI-Hub's labels: body regions, outlines, landmarks, with their confidences."""
