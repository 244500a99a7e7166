"""ComfyUI nodes for tryon-cascade: load a trained cascade, and try a garment on.

ComfyUI imports this folder from its `custom_nodes`, and finds the nodes in the two mappings.
"""

from .try_on_nodes import LoadTryOnCascade, TryOn

NODE_CLASS_MAPPINGS = {"LoadTryOnCascade": LoadTryOnCascade, "TryOn": TryOn}
NODE_DISPLAY_NAME_MAPPINGS = {"LoadTryOnCascade": "Load Try-On Cascade", "TryOn": "Try On"}

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"]
