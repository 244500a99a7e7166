"""Synthetic people in synthetic garments, in AI-Hub 78's layout: sample data with ground truth for every swap."""
