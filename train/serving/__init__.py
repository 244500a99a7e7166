"""A web page for trying out a cascade: pick or upload a person and a garment, and see the result."""

from train.serving.catalogue import read_catalogue
from train.serving.dressing import Dressing
from train.serving.guard import open_socket
from train.serving.jobs import Jobs
from train.serving.server import AppState, make_app
from train.serving.uploads import UploadedPhotographs

__all__ = ["AppState", "Dressing", "Jobs", "UploadedPhotographs", "make_app", "open_socket", "read_catalogue"]
