"""What both programs need and is no contract: errors and how a program ends, atomic files, files at a URL."""
