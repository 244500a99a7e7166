"""How a drawn scene is photographed in the varied set: light, backdrop, camera, noise."""
