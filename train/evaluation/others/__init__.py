"""Images that another system made, under this project's protocol."""
